use store::*; use store_sled::*;
fn rss()->String{std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l|l.starts_with("VmRSS")).collect()}
#[tokio::main(flavor="multi_thread",worker_threads=2)]
async fn main(){
 let d=std::env::args().nth(1).unwrap(); let mut c=SledConfig::new(d); c.min_free_bytes=0;
 println!("start {}",rss());
 let t=std::time::Instant::now();
 let s=SledStore::open(c).unwrap(); println!("open {} {:?}",rss(),t.elapsed());
 if std::env::args().nth(2).is_some(){
  let t=std::time::Instant::now();
  for n in 0..4000u64{ let mut b=Batch::new(); for m in 0..50u64{ let k=(n*50+m).wrapping_mul(0x9e3779b97f4a7c15); b.put(TableId(1),[k.to_be_bytes();4].concat(),Condition::Any,vec![7;300]);} s.commit(b).await.unwrap();}
  println!("200k rows {} {:?}",rss(),t.elapsed());
 }
 let t=std::time::Instant::now();
 let n=s.scan(TableId(1),&Range::default(),usize::MAX).await.unwrap().len(); println!("scan {n} {} {:?}",rss(),t.elapsed());
 s.close().await;
}
