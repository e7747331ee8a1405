//! The keys on the token: how they are found, made and used.
//!
//! A key is one object: its label is `facemap-vault-<id>`, its `CKA_ID` the id's eight bytes and eight more, the key's number,
//! big-endian. The key with the greatest number is the active one. So making a key and making it active is one call to
//! the token, and there is nothing that could point to the wrong one after a crash.

use crate::{
    Pkcs11Error,
    token::{Open, Trouble},
    wrapped::{IV_BYTES, TAG_BYTES, Wrapped},
};
use cryptoki::{
    error::Error,
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    types::Ulong,
};
use model::Rng;
use seal::{KEY_BYTES, KeyId, ProviderError};
use std::{collections::BTreeMap, str::FromStr as _};
use zeroize::Zeroizing;

const LABEL: &str = "facemap-vault-";
const TAG_BITS: u64 = 128;

/// The keys of a token: by id, each with its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing(pub(crate) BTreeMap<KeyId, u64>);

impl Listing {
    /// The one with the greatest number. Two processes that rotate at the same moment may have taken the same number: then
    /// the ids decide, alike for everybody.
    pub(crate) fn active(&self) -> Option<KeyId> {
        self.0.iter().max_by_key(|(id, number)| (**number, **id)).map(|(id, _)| *id)
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.0.values().max().map_or(1, |number| number.saturating_add(1))
    }
}

fn label(id: KeyId) -> Vec<u8> {
    format!("{LABEL}{id}").into_bytes()
}

fn ours() -> Vec<Attribute> {
    vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), Attribute::Token(true)]
}

/// All keys of ours, checked.
pub(crate) fn list(open: &Open) -> Result<Listing, Trouble> {
    let mut listing = Listing::default();
    for handle in open.session.find_objects(&ours())? {
        let mut attributes =
            open.session.get_attributes(handle, &[AttributeType::Label, AttributeType::Id])?.into_iter();
        let (mut label, mut bytes) = (Vec::new(), Vec::new());
        for attribute in attributes.by_ref() {
            match attribute {
                Attribute::Label(value) => label = value,
                Attribute::Id(value) => bytes = value,
                _ => {}
            }
        }
        let Some(label) = String::from_utf8(label).ok().filter(|label| label.starts_with(LABEL)) else {
            continue;
        };
        let (id, number) = checked(open, handle, &label, &bytes)?;
        if listing.0.insert(id, number).is_some() {
            return Err(Pkcs11Error::RepeatedKey(id).into());
        }
    }
    Ok(listing)
}

/// Id and number of a key that bears our label, if it is one that we make: one that has never left the token.
fn checked(open: &Open, handle: ObjectHandle, label: &str, bytes: &[u8]) -> Result<(KeyId, u64), Trouble> {
    let foreign = |what| Trouble::from(Pkcs11Error::ForeignKey { label: label.to_owned(), what });
    let id = label.strip_prefix(LABEL).and_then(|id| KeyId::from_str(id).ok());
    let id = id.ok_or_else(|| foreign("its label has no key id"))?;
    let number = bytes.strip_prefix(id.as_bytes()).and_then(|number| number.try_into().ok());
    let number = number.map(u64::from_be_bytes).ok_or_else(|| foreign("its CKA_ID is another"))?;
    let attributes = [AttributeType::AlwaysSensitive, AttributeType::NeverExtractable];
    let kept = open.session.get_attributes(handle, &attributes)?;
    if !kept.contains(&Attribute::AlwaysSensitive(true)) || !kept.contains(&Attribute::NeverExtractable(true))
    {
        return Err(foreign("it can leave the token, or has been outside of it"));
    }
    Ok((id, number))
}

/// The key's object, which a session looks for once.
pub(crate) fn find(open: &Open, id: KeyId) -> Result<Option<ObjectHandle>, Trouble> {
    if let Some(handle) = open.handles.borrow().get(&id) {
        return Ok(Some(*handle));
    }
    let mut template = ours();
    template.push(Attribute::Label(label(id)));
    match open.session.find_objects(&template)?.as_slice() {
        [] => Ok(None),
        [handle] => {
            open.handles.borrow_mut().insert(id, *handle);
            Ok(Some(*handle))
        }
        _ => Err(Pkcs11Error::RepeatedKey(id).into()),
    }
}

/// Makes a key on the token, which keeps it for good.
pub(crate) fn make(open: &Open, id: KeyId, number: u64) -> Result<(), Trouble> {
    let mut template = ours();
    template.extend([
        Attribute::Label(label(id)),
        Attribute::Id([id.as_bytes().as_slice(), &number.to_be_bytes()].concat()),
        Attribute::ValueLen(Ulong::from(KEY_BYTES as u64)),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Modifiable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
    ]);
    open.session.generate_key(&Mechanism::AesKeyGen, &template)?;
    Ok(())
}

/// Destroys a key's object.
pub(crate) fn destroy(open: &Open, id: KeyId) -> Result<(), Trouble> {
    if let Some(handle) = find(open, id)? {
        open.handles.borrow_mut().remove(&id);
        open.session.destroy_object(handle)?;
    }
    Ok(())
}

/// Encrypts; the IV is what the token has used in the end, for some choose their own.
pub(crate) fn encrypt(
    open: &Open,
    key: ObjectHandle,
    iv: &mut [u8; IV_BYTES],
    associated_data: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Trouble> {
    let parameters = GcmParams::new(iv, associated_data, TAG_BITS.into())?;
    let sealed = open.session.encrypt(&Mechanism::AesGcm(parameters), key, plaintext)?;
    if sealed.len() != plaintext.len() + TAG_BYTES {
        return Err(Pkcs11Error::Token("what it encrypts has not the length of AES-GCM's".into()).into());
    }
    Ok(sealed)
}

/// Decrypts. Tokens do not agree on what they say of a wrong tag, down to a general error; so when they say anything, they
/// have to show that they can still open what they have just sealed, under an IV of its own.
pub(crate) fn decrypt(
    open: &Open,
    key: ObjectHandle,
    rng: &dyn Rng,
    wrapped: &Wrapped<'_>,
    associated_data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let mut iv = wrapped.iv;
    match try_decrypt(open, key, &mut iv, associated_data, wrapped.sealed) {
        Ok(opened) => Ok(opened),
        Err(_) if opens_what_it_seals(open, key, rng) => Err(Trouble::Answer(ProviderError::Refused)),
        Err(error) => Err(error.into()),
    }
}

fn try_decrypt(
    open: &Open,
    key: ObjectHandle,
    iv: &mut [u8; IV_BYTES],
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parameters = GcmParams::new(iv, associated_data, TAG_BITS.into())?;
    open.session.decrypt(&Mechanism::AesGcm(parameters), key, sealed).map(Zeroizing::new)
}

fn opens_what_it_seals(open: &Open, key: ObjectHandle, rng: &dyn Rng) -> bool {
    let mut iv = [0; IV_BYTES];
    rng.fill(&mut iv);
    let probe = b"is the token well?";
    encrypt(open, key, &mut iv, probe, probe).is_ok_and(|sealed| {
        try_decrypt(open, key, &mut iv, probe, &sealed).is_ok_and(|opened| *opened == probe)
    })
}
