use super::*;
use proptest::prelude::*;
use reauth::Who;

fn check(of: ListOf, reference: &str, locale: Option<&str>, own: Option<&str>) -> Result<NewItem, String> {
    assert_eq!(of, ListOf::Users);
    let who = reference.parse().map(Who::User).map_err(|_| "no user".to_owned())?;
    Ok(NewItem { who, locale: locale.map(str::to_owned), request_reference: own.map(str::to_owned) })
}

type Seen = Vec<(u64, String, Option<String>, Option<String>)>;

fn read_in(pieces: &[&[u8]]) -> Result<Seen, BadLine> {
    let (mut lines, mut items) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.read(piece, false, check, &mut items)?;
    }
    lines.read(b"", true, check, &mut items)?;
    let seen = items.into_iter().map(|(line, item)| {
        let Who::User(user) = item.who else { panic!("a user was meant") };
        (line, user.as_str().to_owned(), item.locale, item.request_reference)
    });
    Ok(seen.collect())
}

fn read(text: &str) -> Result<Seen, BadLine> {
    let whole = read_in(&[text.as_bytes()]);
    // However the pieces are cut, it comes to the same.
    for size in [1, 2, 3, 7] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(read_in(&pieces), whole, "in pieces of {size}");
    }
    whole
}

fn user(line: u64, user: &str) -> (u64, String, Option<String>, Option<String>) {
    (line, user.to_owned(), None, None)
}

#[test]
fn each_line_is_an_item_with_its_number_whatever_ends_it() {
    let expected = Ok(vec![user(2, "ines"), user(3, "malik")]);
    for text in [
        "userReference\nines\nmalik\n",
        "userReference\nines\nmalik",
        "userReference\r\nines\r\nmalik\r\n",
        "userReference\rines\rmalik\r",
        "userReference\rines\r\nmalik",
        "userReference\nines\rmalik\n",
        "\u{feff}userReference\nines\n\"malik\"\n",
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
}

#[test]
fn columns_stand_in_any_order_and_empty_cells_say_nothing() {
    let text = "requestReference,userReference,locale\n\"a,b\",ines,de\n,malik,\n";
    let first = (2, "ines".to_owned(), Some("de".to_owned()), Some("a,b".to_owned()));
    assert_eq!(read(text), Ok(vec![first, user(3, "malik")]));
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    let bad = |text: &str| read(text).unwrap_err().line;
    assert_eq!(bad("userReference\nines\n ines\nmalik\n"), 3);
    assert_eq!(bad("userReference\r\nines\r\n ines\r\n"), 3);
    assert_eq!(bad("userReference\nines,de\n"), 2);
    assert_eq!(bad(&format!("userReference\nines\nmalik\n{}\n", "x".repeat(5000))), 4);
    assert_eq!(read_in(&[b"userReference\nin\xff\n"]).unwrap_err().line, 2);
}

#[test]
fn a_head_names_each_column_once_and_one_of_them_says_whom() {
    for text in [
        "",
        "\n",
        "ines\nmalik\n",
        "locale\nde\n",
        "userReference,userReference\n",
        "enrollment,userReference\n",
        "userReference,surname\n",
    ] {
        assert_eq!(read(text).unwrap_err().line, 1, "{text:?}");
    }
    assert_eq!(read("userReference\n"), Ok(Vec::new()));
    let wide = vec!["locale"; 40].join(",");
    assert_eq!(read(&wide).unwrap_err().line, 1);
}

#[test]
fn a_record_over_several_lines_has_the_number_of_its_first() {
    for end in ["\n", "\r", "\r\n"] {
        let text = ["userReference,requestReference", "ines,\"a", "b", "\"", "", "malik,"].join(end);
        let own = format!("a{end}b{end}");
        let first = (2, "ines".to_owned(), None, Some(own));
        assert_eq!(read(&text), Ok(vec![first, user(6, "malik")]), "{end:?}");
        // A quote that nobody closes takes the rest of the file with it: what is wrong stands where it was opened.
        for rest in [3, 3000] {
            let text = ["userReference,locale", "ines,", "\"malik,", &"noor,\n".repeat(rest)].join(end);
            assert_eq!(read(&text).unwrap_err().line, 3, "{end:?} {rest}");
        }
    }
}

/// A cell as it is written, and the line ends within it.
fn cell() -> impl Strategy<Value = (String, u64)> {
    let ends = prop::sample::select(vec!["\n", "\r", "\r\n"]);
    let quoted = prop::collection::vec(ends, 0..3).prop_map(|ends| {
        let count = ends.iter().zip(ends.iter().skip(1)).filter(|pair| *pair == (&"\r", &"\n")).count();
        (format!("\"a{}b\"", ends.concat()), (ends.len() - count) as u64)
    });
    prop_oneof![Just((String::new(), 0)), Just(("own".to_owned(), 0)), quoted]
}

proptest! {
    #[test]
    fn every_record_has_the_number_of_its_own_line_whatever_ends_lines_and_however_the_pieces_are_cut(
        rows in prop::collection::vec((cell(), prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r"])), 1..8),
        size in 1_usize..9,
    ) {
        let (mut text, mut line, mut expected) = ("userReference,requestReference\r\n".to_owned(), 2, Vec::new());
        for ((cell, within), end) in &rows {
            text = format!("{text}ines,{cell}{end}");
            expected.push(line);
            line += within + if end.len() == 2 && *end != "\r\n" { 2 } else { 1 };
        }
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let numbers: Vec<u64> = read_in(&pieces).unwrap().into_iter().map(|(line, ..)| line).collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", numbers);
        prop_assert_eq!(numbers, expected);
    }
}
