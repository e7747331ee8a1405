//! A facemap of one person never opens for another, whatever bytes are exchanged on the disk.

use super::{Home, Person, enrollment, facemap, overwrite, recompute, subject, vaulted};
use crate::{
    Contents, SlotKind, SlotRef, Vault,
    content_form::{FIXED, PAYLOAD_AT},
    sector::SECTOR,
};
use model::{Clock as _, FacemapBytes, rng::SeededRng};
use std::{fs, ops::Range, time::Duration};

/// Rounds of random exchanges; each begins with the disk as it was.
const ROUNDS: u64 = 6000;
/// The pieces of a sector that somebody who knows the format would exchange.
const SECTOR_PIECES: [Range<usize>; 10] =
    [8..9, 9..10, 10..12, 12..16, 16..24, 24..40, 40..72, 72..80, 80..112, 112..480];
/// The pieces of a content file: fixed part, sealed header, envelope of the facemap.
const CONTENT_PIECES: [Range<usize>; 3] = [0..FIXED, FIXED..PAYLOAD_AT, PAYLOAD_AT..usize::MAX];

/// All sectors and contents that ever were, and who they belonged to.
struct Spoils {
    people: Vec<Person>,
    /// References to uses of slots that are over.
    former: Vec<(SlotRef, Contents)>,
    sectors: Vec<[u8; SECTOR]>,
    contents: Vec<Vec<u8>>,
}

/// Four people of equal length, an attempt before the put of one of them, and a fifth who was burnt and whose slot
/// the fourth has now.
async fn spoils(home: &Home, vault: &Vault) -> Spoils {
    let (mut people, mut former, mut sectors, mut contents) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let gone = vaulted(vault, 9, 300).await;
    sectors.push(home.sector(gone.slot));
    contents.push(fs::read(home.content_file(gone.slot)).unwrap());
    former.push((gone.slot, gone.contents));
    vault.burn(gone.slot).await.unwrap();
    sectors.push(home.sector(gone.slot));
    vault.destroy_content(gone.slot).await.unwrap();
    home.clock.advance(Duration::from_secs(10));
    assert_eq!(vault.release_burnt(0, home.clock.now()).await.unwrap().slots, 1);
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let early = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(77, 300))).await.unwrap();
    sectors.push(home.sector(slot));
    contents.push(fs::read(home.content_file(slot)).unwrap());
    former.push((slot, early));
    let bytes = facemap(1, 300);
    let put = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(bytes.clone())).await.unwrap();
    vault.make_live(slot).await.unwrap();
    people.push(Person { enrollment: enrollment(1), slot, contents: put, facemap: bytes });
    for number in 2..=4 {
        people.push(vaulted(vault, number, 300).await);
    }
    for person in &people {
        sectors.push(home.sector(person.slot));
        contents.push(fs::read(home.content_file(person.slot)).unwrap());
    }
    Spoils { people, former, sectors, contents }
}

impl Spoils {
    /// Everything as it was.
    fn restore(&self, home: &Home) {
        let own = self.sectors.len() - self.people.len();
        for (person, sector) in self.people.iter().zip(&self.sectors[own..]) {
            home.write_sector(person.slot.index, sector);
        }
        let own = self.contents.len() - self.people.len();
        for (person, content) in self.people.iter().zip(&self.contents[own..]) {
            overwrite(&home.content_file(person.slot), content);
        }
    }

    /// Gives one person's place on the disk something of anybody's.
    fn exchange(&self, home: &Home, vault: &Vault, rng: &SeededRng) {
        let victim = &self.people[pick(rng, self.people.len())];
        let donor = &self.sectors[pick(rng, self.sectors.len())];
        let path = home.content_file(victim.slot);
        match rng.below(6) {
            0 => {
                // A whole sector, with the index and the checksum made right.
                let mut sector = *donor;
                sector[12..16].copy_from_slice(&victim.slot.index.to_be_bytes());
                recompute(vault, &mut sector);
                home.write_sector(victim.slot.index, &sector);
            }
            1 | 2 => {
                let mut sector = home.sector(victim.slot);
                for _ in 0..=rng.below(4) {
                    let piece = SECTOR_PIECES[pick(rng, SECTOR_PIECES.len())].clone();
                    sector[piece.clone()].copy_from_slice(&donor[piece]);
                }
                if rng.below(8) > 0 {
                    recompute(vault, &mut sector);
                }
                home.write_sector(victim.slot.index, &sector);
            }
            3 => overwrite(&path, &self.contents[pick(rng, self.contents.len())]),
            4 => {
                let donor = &self.contents[pick(rng, self.contents.len())];
                let mut content = fs::read(&path).unwrap();
                let piece = CONTENT_PIECES[pick(rng, CONTENT_PIECES.len())].clone();
                let piece = piece.start..piece.end.min(content.len());
                content[piece.clone()].copy_from_slice(&donor[piece]);
                overwrite(&path, &content);
            }
            _ => {
                let mut content = fs::read(&path).unwrap();
                let bit = pick(rng, content.len() * 8);
                content[bit / 8] ^= 1 << (bit % 8);
                overwrite(&path, &content);
            }
        }
    }
}

fn pick(rng: &SeededRng, below: usize) -> usize {
    usize::try_from(rng.below(below as u64)).unwrap()
}

#[tokio::test]
async fn whatever_is_exchanged_on_the_disk_nobody_gets_another_persons_facemap() {
    let home = Home::new();
    let vault = home.open().await;
    let spoils = spoils(&home, &vault).await;
    let rng = SeededRng::new(4711);
    let (mut right, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        spoils.restore(&home);
        for _ in 0..=rng.below(4) {
            spoils.exchange(&home, &vault, &rng);
        }
        // Records may be exchanged as well: any slot, any enrollment, any contents that ever were.
        for (asked, person) in spoils.people.iter().enumerate() {
            let mut slot = person.slot;
            let mut contents = person.contents;
            if rng.below(2) == 0 {
                let other = pick(&rng, spoils.people.len() + spoils.former.len());
                let (its_slot, its_contents) = match spoils.people.get(other) {
                    Some(other) => (other.slot, other.contents),
                    None => spoils.former[other - spoils.people.len()],
                };
                slot = if rng.below(2) == 0 { its_slot } else { slot };
                contents = if rng.below(2) == 0 { its_contents } else { contents };
            }
            match vault.open_facemap(slot, &person.enrollment, &contents).await {
                Ok(opened) => {
                    right += 1;
                    let early = spoils.former[1].1.digest == contents.digest && asked == 0;
                    let whose = if early { facemap(77, 300) } else { person.facemap.clone() };
                    assert_eq!(opened.expose(), whose, "round {round}, person {asked}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(right > 500 && refused > 500, "both happened: {right} opened, {refused} refused");
    spoils.restore(&home);
    for person in &spoils.people {
        assert!(super::opens(&vault, person).await.unwrap());
    }
}

#[tokio::test]
async fn two_people_whose_slots_and_contents_change_places_whole_open_for_nobody() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 300).await, vaulted(&vault, 2, 300).await);
    let (a, b) = (home.sector(one.slot), home.sector(other.slot));
    // Each sector in the other's place, with everything that names the place made right: what is left is the other's
    // secret and wrapped key.
    for (place, own, foreign) in [(&one, a, b), (&other, b, a)] {
        let mut sector = own;
        sector[80..480].copy_from_slice(&foreign[80..480]);
        recompute(&vault, &mut sector);
        home.write_sector(place.slot.index, &sector);
    }
    let (path_a, path_b) = (home.content_file(one.slot), home.content_file(other.slot));
    let (content_a, content_b) = (fs::read(&path_a).unwrap(), fs::read(&path_b).unwrap());
    overwrite(&path_a, &content_b);
    overwrite(&path_b, &content_a);
    for (asking, contents) in
        [(&one, one.contents), (&one, other.contents), (&other, other.contents), (&other, one.contents)]
    {
        assert!(vault.open_facemap(asking.slot, &asking.enrollment, &contents).await.is_err());
    }
}
