//! What a get and a scan return.

use super::{ABOVE, BELOW, Subject, TABLE, commit, keys, put, value};
use crate::{Batch, Condition, Range, Store, TableId};

/// A get returns value and version; a key that was never put, or is a prefix of one that was, has none.
pub async fn a_row_is_read_back_as_it_was_put(subject: &mut impl Subject) {
    let store = subject.open().await;
    let version = commit(&store, put(TABLE, b"key", Condition::Absent, "value")).await;
    let row = store.get(TABLE, b"key").await.unwrap().unwrap();
    assert_eq!((row.version, row.value.as_ref()), (version, b"value".as_ref()));
    let rows = store.scan(TABLE, &Range::default(), 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].key.as_ref(), &rows[0].value), (b"key".as_ref(), &row));
    for other in [b"".as_ref(), b"ke", b"key\0", b"kez"] {
        assert_eq!(value(&store, other).await, None);
    }
    assert_eq!(store.get(ABOVE, b"key").await.unwrap(), None);
}

/// The order is that of the unsigned bytes, a shorter key before a longer one that begins with it.
pub async fn a_scan_is_in_the_order_of_the_keys_bytes(subject: &mut impl Subject) {
    let store = subject.open().await;
    let sorted: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"b", b"\xff"];
    for at in [5, 2, 7, 0, 4, 1, 6, 3] {
        commit(&store, put(TABLE, sorted[at], Condition::Absent, "v")).await;
    }
    assert_eq!(keys(&store, TABLE, &Range::default(), 100).await, sorted);
    assert_eq!(keys(&store, TABLE, &Range::default(), 3).await, sorted[..3]);
    assert!(keys(&store, TABLE, &Range::default(), 0).await.is_empty());
}

/// Prefix, after, before, and the keys expected.
type Case = (&'static str, Option<&'static str>, Option<&'static str>, &'static [&'static str]);

/// `prefix`, `after` and `before` cut independently of each other, and both borders are outside.
pub async fn a_scan_keeps_to_prefix_and_borders(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut batch = Batch::new();
    for key in ["a", "b", "b1", "b2", "b20", "b3", "c"] {
        batch.put(TABLE, key.into(), Condition::Absent, key);
    }
    commit(&store, batch).await;
    let cases: [Case; 11] = [
        ("b", None, None, &["b", "b1", "b2", "b20", "b3"]),
        ("b2", None, None, &["b2", "b20"]),
        ("", Some("b2"), None, &["b20", "b3", "c"]),
        ("", None, Some("b2"), &["a", "b", "b1"]),
        ("b", Some("b1"), Some("b3"), &["b2", "b20"]),
        ("b", Some("a"), None, &["b", "b1", "b2", "b20", "b3"]),
        ("b", Some("bx"), None, &[]),
        ("b", Some("c"), None, &[]),
        ("b", None, Some("b"), &[]),
        ("b", None, Some("zz"), &["b", "b1", "b2", "b20", "b3"]),
        ("", Some("b3"), Some("b1"), &[]),
    ];
    for (prefix, after, before, expected) in cases {
        let range =
            Range { prefix: prefix.into(), after: after.map(Into::into), before: before.map(Into::into) };
        let expected: Vec<_> = expected.iter().map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(keys(&store, TABLE, &range, 100).await, expected, "{range:?}");
    }
}

/// `after` with the last key seen goes on exactly where the page before stopped.
pub async fn a_scan_in_pages_meets_every_row_once(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut batch = Batch::new();
    let all: Vec<_> = (0..100_u8).map(|n| vec![b'k', n, n % 3]).collect();
    for key in &all {
        batch.put(TABLE, key.clone(), Condition::Absent, "v");
    }
    commit(&store, batch).await;
    let mut range = Range { prefix: b"k".to_vec(), ..Range::default() };
    let mut met = Vec::new();
    loop {
        let page = keys(&store, TABLE, &range, 7).await;
        let Some(last) = page.last() else { break };
        range.after = Some(last.clone());
        met.extend(page);
    }
    assert_eq!(met, all);
}

/// The rows of the tables before and behind are never met, neither are the first and last tables overrun.
pub async fn a_scan_stays_within_its_table(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut batch = Batch::new();
    for table in [BELOW, TABLE, ABOVE, TableId(1), TableId(255)] {
        for key in [b"".as_ref(), b"\0", b"\xff\xff"] {
            batch.put(table, key.to_vec(), Condition::Absent, vec![table.0]);
        }
    }
    commit(&store, batch).await;
    for table in [BELOW, TABLE, ABOVE, TableId(1), TableId(255)] {
        for (range, count) in [
            (Range::default(), 3),
            (Range { prefix: b"\xff".to_vec(), ..Range::default() }, 1),
            (Range { after: Some(b"\xff\xff".to_vec()), ..Range::default() }, 0),
            (Range { before: Some(b"\xff\xff\xff".to_vec()), ..Range::default() }, 3),
        ] {
            let rows = store.scan(table, &range, 100).await.unwrap();
            assert_eq!(rows.len(), count, "{table:?} {range:?}");
            assert!(rows.iter().all(|row| row.value.value[..] == [table.0]));
        }
    }
    assert!(keys(&store, TableId(2), &Range::default(), 100).await.is_empty());
}

/// A prefix that has no greater neighbour of the same length ends where it should.
pub async fn keys_of_all_ones_have_borders_too(subject: &mut impl Subject) {
    let store = subject.open().await;
    let mut batch = Batch::new();
    for key in [b"\xfe".as_ref(), b"\xff", b"\xff\xff", b"\xff\xff\xff\x01"] {
        batch.put(TABLE, key.to_vec(), Condition::Absent, "v");
    }
    batch.put(ABOVE, vec![], Condition::Absent, "v");
    commit(&store, batch).await;
    let range = Range { prefix: b"\xff\xff".to_vec(), ..Range::default() };
    assert_eq!(keys(&store, TABLE, &range, 9).await, [b"\xff\xff".to_vec(), b"\xff\xff\xff\x01".to_vec()]);
    let range = Range { after: Some(b"\xff".to_vec()), ..range };
    assert_eq!(keys(&store, TABLE, &range, 1).await, [b"\xff\xff".to_vec()]);
}
