//! Makes forged callbacks up, each from the seed and its number alone.

use model::rng::SeededRng;
use std::collections::BTreeMap;

/// The address of Jumio's that is allowed, and the proxy's that is trusted.
pub(crate) const JUMIO: &str = "34.202.241.227";
pub(crate) const PROXY: &str = "127.0.0.2";
/// What the company's own references begin with: a callback that names one may begin an enrollment.
pub(crate) const PREFIX: &str = "shop-";

/// The way a forgery takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// From an address that is allowed: Jumio has other customers, and they have callbacks, too.
    Jumio,
    /// From anywhere, straight to the listener.
    Stranger,
    /// Through the company's proxy, which appends the address that it sees.
    Proxy,
}

/// One forged callback, and how it must be answered.
#[derive(Debug)]
pub(crate) struct Forgery {
    pub(crate) kind: &'static str,
    pub(crate) via: Via,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: String,
    pub(crate) answer: u16,
}

/// Whom forgeries speak about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cast {
    /// The path in Jumio's portal.
    pub(crate) portal: String,
    /// Onboardings that the vault knows, in every state.
    pub(crate) known: Vec<String>,
    pub(crate) users: Vec<String>,
    /// Real ones of the account that nobody announced.
    pub(crate) others: Vec<String>,
    /// The same; callbacks claim that they bear the company's prefix, and Jumio denies it.
    pub(crate) claimed: Vec<String>,
    /// Authentications: one that passed long ago, one whose outcome is unknown, an open one.
    pub(crate) results: Vec<String>,
    /// Addresses that the facemap is said to have.
    pub(crate) lures: Vec<String>,
}

/// What a callback says of where it comes from. None of it is true.
const CLAIMS: [(&str, &[u8]); 30] = [
    ("X-Forwarded-For", b"34.202.241.227"),
    ("X-Forwarded-For", b"34.202.241.227, 127.0.0.1"),
    ("X-Forwarded-For", b"34.202.241.227, 127.0.0.2"),
    ("X-Forwarded-For", b"127.0.0.2, 34.202.241.227"),
    ("X-Forwarded-For", b"127.0.0.1"),
    ("X-Forwarded-For", b" \t34.202.241.227\t "),
    ("X-Forwarded-For", b"34.202.241.227,,,"),
    ("X-Forwarded-For", b",,34.202.241.227"),
    ("X-Forwarded-For", b"::ffff:34.202.241.227"),
    ("X-Forwarded-For", b"[::ffff:34.202.241.227]:443"),
    ("X-Forwarded-For", b"::ffff:22ca:f1e3"),
    ("X-Forwarded-For", b"64:ff9b::34.202.241.227"),
    ("X-Forwarded-For", b"34.202.241.227:443"),
    ("X-Forwarded-For", b"\"34.202.241.227\""),
    ("X-Forwarded-For", b"unknown, 34.202.241.227"),
    ("X-Forwarded-For", b"584774115"),
    ("X-Forwarded-For", b"0x22.0xca.0xf1.0xe3"),
    ("X-Forwarded-For", b"042.0312.0361.0343"),
    ("X-Forwarded-For", b"callback.jumio.com"),
    ("X-Forwarded-For", b"34.202.241.227\xff"),
    ("Forwarded", b"for=34.202.241.227"),
    ("Forwarded", b"for=\"[::ffff:34.202.241.227]\";proto=https;by=127.0.0.2"),
    ("Forwarded", b"for=127.0.0.1, for=34.202.241.227"),
    ("X-Real-IP", b"34.202.241.227"),
    ("X-Client-IP", b"34.202.241.227"),
    ("X-Cluster-Client-IP", b"34.202.241.227"),
    ("True-Client-IP", b"34.202.241.227"),
    ("CF-Connecting-IP", b"34.202.241.227"),
    ("Via", b"1.1 34.202.241.227"),
    ("X-Original-Forwarded-For", b"34.202.241.227"),
];

/// The forgery of this number.
pub(crate) fn forge(cast: &Cast, seed: u64, number: u64) -> Forgery {
    let dice = Dice(SeededRng::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number)));
    match dice.of(100) {
        0..45 => turned_away(cast, &dice),
        45..68 => taken(cast, &dice, "unknown reference", onboarding(cast, &dice, &dice.reference(), false)),
        68..77 => {
            let reference = dice.one(&cast.others).clone();
            taken(cast, &dice, "another's reference", onboarding(cast, &dice, &reference, false))
        }
        77..88 => {
            let reference = dice.one(&cast.known).clone();
            taken(cast, &dice, "known reference", onboarding(cast, &dice, &reference, dice.of(2) == 0))
        }
        88..96 => taken(cast, &dice, "result", result(cast, &dice)),
        96..98 => {
            let reference = dice.one(&cast.claimed).clone();
            taken(cast, &dice, "another's, as the company's", onboarding(cast, &dice, &reference, true))
        }
        _ => {
            taken(cast, &dice, "invented, as the company's", onboarding(cast, &dice, &dice.reference(), true))
        }
    }
}

/// How many of each kind there are among the first so many.
pub(crate) fn census(cast: &Cast, seed: u64, count: u64) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for number in 0..count {
        *counts.entry(forge(cast, seed, number).kind).or_default() += 1;
    }
    counts
}

/// From an address that is not allowed, or with a token that is none.
fn turned_away(cast: &Cast, dice: &Dice) -> Forgery {
    let about = dice.one(if dice.of(2) == 0 { &cast.known } else { &cast.others }).clone();
    let body = onboarding(cast, dice, &about, true);
    if dice.of(4) == 0 {
        let path = bad_token(cast, dice);
        return Forgery {
            kind: "wrong token",
            via: Via::Jumio,
            path,
            headers: claims(dice),
            body,
            answer: 404,
        };
    }
    let mut headers = claims(dice);
    let via = if dice.of(2) == 0 { Via::Stranger } else { Via::Proxy };
    if via == Via::Proxy {
        let seen = format!("203.0.113.{}", dice.of(256));
        vouch(dice, &mut headers, &seen);
    }
    Forgery { kind: "wrong source", via, path: cast.portal.clone(), headers, body, answer: 403 }
}

/// Let in, and therefore to be judged.
fn taken(cast: &Cast, dice: &Dice, kind: &'static str, body: String) -> Forgery {
    let mut headers = claims(dice);
    let via = if dice.of(2) == 0 { Via::Jumio } else { Via::Proxy };
    if via == Via::Proxy {
        // What is not even text makes the whole line unreadable, and nobody is let in for it.
        headers.retain(|(_, value)| value.is_ascii());
        vouch(dice, &mut headers, JUMIO);
    }
    Forgery { kind, via, path: cast.portal.clone(), headers, body, answer: 200 }
}

fn claims(dice: &Dice) -> Vec<(&'static str, Vec<u8>)> {
    (0..dice.of(4))
        .map(|_| {
            let (name, value) = CLAIMS[usize::try_from(dice.of(CLAIMS.len() as u64)).unwrap()];
            let long = dice.of(20) == 0;
            (name, if long { [value, b", "].concat().repeat(40) } else { value.to_vec() })
        })
        .collect()
}

/// The proxy appends the address that it sees: to the last line, or as a line of its own.
fn vouch(dice: &Dice, headers: &mut Vec<(&'static str, Vec<u8>)>, seen: &str) {
    let last = headers.iter_mut().rev().find(|(name, _)| *name == "X-Forwarded-For");
    match last {
        Some((_, value)) if dice.of(2) == 0 => {
            value.extend_from_slice(b", ");
            value.extend_from_slice(seen.as_bytes());
        }
        _ => headers.push(("X-Forwarded-For", seen.as_bytes().to_vec())),
    }
    if dice.of(8) == 0 {
        // A second proxy of the company's stands behind the first.
        headers.push(("x-forwarded-for", PROXY.as_bytes().to_vec()));
    }
}

fn bad_token(cast: &Cast, dice: &Dice) -> String {
    let (folder, token) = cast.portal.rsplit_once('/').unwrap();
    let mut bytes = token.as_bytes().to_vec();
    match dice.of(5) {
        0 => return folder.to_owned(),
        1 => bytes.truncate(usize::try_from(dice.of(token.len() as u64)).unwrap()),
        2 => bytes.extend_from_slice(b"A"),
        3 => bytes.rotate_left(1),
        _ => {
            let at = usize::try_from(dice.of(token.len() as u64 - 1)).unwrap();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        }
    }
    format!("{folder}/{}", String::from_utf8(bytes).unwrap())
}

/// A claim that an onboarding ended well; as the company's own or as somebody else's.
fn onboarding(cast: &Cast, dice: &Dice, reference: &str, ours: bool) -> String {
    let spelled = if dice.of(4) == 0 { reference.to_uppercase() } else { reference.to_owned() };
    let statuses = ["APPROVED_VERIFIED", "APPROVED_VERIFIED", "DENIED_FRAUD", "NO_ID_UPLOADED", "approved"];
    let identities = [
        r#"{"similarity":"MATCH","validity":true}"#,
        r#"{"similarity":"MATCH","validity":"TRUE"}"#,
        r#"{"similarity":"NO_MATCH","validity":false}"#,
        "{",
        "",
    ];
    let name = ["jumioIdScanReference", "jumioIdScanReference", "scanReference", "transactionReference"];
    let mut fields = vec![
        ("callBackType", "NETVERIFYID".to_owned()),
        (*dice.one(&name), spelled),
        ("verificationStatus", (*dice.one(&statuses)).to_owned()),
        ("idScanStatus", "SUCCESS".to_owned()),
        ("customerId", dice.one(&cast.users).clone()),
        ("identityVerification", (*dice.one(&identities)).to_owned()),
        ("facemap", dice.one(&cast.lures).clone()),
        ("transactionDate", dice.date()),
        ("callbackDate", dice.date()),
    ];
    if ours {
        fields.push(("merchantIdScanReference", format!("{PREFIX}{}", dice.of(1000))));
    }
    if dice.of(10) == 0 {
        // Two names for two transactions: it is none of Jumio's.
        fields.push(("jumioIdScanReference", dice.one(&cast.known).clone()));
    }
    form(&fields)
}

/// A claim that somebody passed.
fn result(cast: &Cast, dice: &Dice) -> String {
    let about = match dice.of(4) {
        0 => dice.reference(),
        1 => dice.one(&cast.known).clone(),
        _ => dice.one(&cast.results).clone(),
    };
    let results = ["PASSED", "PASSED", "PASSED", "FAILED", "EXPIRED", "passed"];
    form(&[
        ("callBackType", "NETVERIFY_AUTHENTICATION".to_owned()),
        ("transactionReference", about),
        ("enrollmentTransactionReference", dice.one(&cast.known).clone()),
        ("transactionResult", (*dice.one(&results)).to_owned()),
        ("transactionDate", dice.date()),
        ("callbackDate", dice.date()),
        ("scanSource", "WEB".to_owned()),
        ("userReference", dice.one(&cast.users).clone()),
        ("idScanImageFace", dice.one(&cast.lures).clone()),
    ])
}

fn form(fields: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Chance, as the seed has it.
struct Dice(SeededRng);

impl Dice {
    fn of(&self, sides: u64) -> u64 {
        self.0.below(sides)
    }

    fn one<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.of(all.len() as u64)).unwrap()]
    }

    fn reference(&self) -> String {
        let [a, b, c] = [self.of(1 << 32), self.of(1 << 16), self.of(1 << 48)];
        format!("{a:08x}-{b:04x}-4bad-8bad-{c:012x}")
    }

    fn date(&self) -> String {
        let dates = [
            "2019-05-30T08:37:35Z",
            "2026-01-01T00:00:00.1Z",
            "2099-01-01T00:00:00.123Z",
            "yesterday",
            "N/A",
            "",
        ];
        (*self.one(&dates)).to_owned()
    }
}
