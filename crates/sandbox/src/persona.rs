//! Made-up people, so that callbacks carry the personal data that the vault must neither log nor keep.

use crate::callback_forms::Field;

/// A person who does not exist. Every value is marked as made up or plainly impossible to mistake.
pub(crate) struct Persona {
    first_name: &'static str,
    last_name: &'static str,
    gender: &'static str,
    born: &'static str,
    country: &'static str,
    document: &'static str,
    number: u64,
}

const PEOPLE: [(&str, &str, &str, &str, &str, &str); 6] = [
    ("ADA-SANDBOX", "MUSTERFRAU", "F", "1984-02-29", "AUT", "PASSPORT"),
    ("JÖRG-SANDBOX", "BEISPIEL", "M", "1971-11-03", "DEU", "ID_CARD"),
    ("MARÍA-SANDBOX", "EJEMPLO", "F", "1990-07-15", "ESP", "ID_CARD"),
    ("JEAN-SANDBOX", "EXEMPLE", "M", "1966-01-31", "FRA", "DRIVING_LICENSE"),
    ("SAKURA-SANDBOX", "MIHON", "F", "2001-12-24", "JPN", "PASSPORT"),
    ("O'NEIL & SONS-SANDBOX", "SAMPLE=TEST", "M", "1958-05-08", "IRL", "PASSPORT"),
];

impl Persona {
    /// The person of the n-th transaction.
    pub(crate) fn of(number: u64) -> Self {
        let index = usize::try_from(number % 6).unwrap_or_default();
        let (first_name, last_name, gender, born, country, document) = PEOPLE[index];
        Self { first_name, last_name, gender, born, country, document, number }
    }

    /// The document as the retrieval's `document` object tells it.
    pub(crate) fn document(&self, status: &str) -> serde_json::Value {
        serde_json::json!({
            "status": status,
            "type": self.document,
            "issuingCountry": self.country,
            "firstName": self.first_name,
            "lastName": self.last_name,
            "gender": self.gender,
            "dob": self.born,
            "expiry": "2031-12-31",
            "number": self.document_number(),
        })
    }

    /// The fields of a callback that tell about the person.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let number = self.document_number();
        let name = format!("{} {}", self.first_name, self.last_name);
        [
            ("idType", self.document),
            ("idCountry", self.country),
            ("idFirstName", self.first_name),
            ("idLastName", self.last_name),
            ("idDob", self.born),
            ("idExpiry", "2031-12-31"),
            ("idNumber", number.as_str()),
            ("gender", self.gender),
            ("nationality", self.country),
            ("placeOfBirth", "SANDBOX CITY"),
            ("idAddress", r#"{"streetName":"SANDBOX STREET","city":"SANDBOX CITY","postalCode":"00000"}"#),
            ("clientIp", "192.0.2.77"),
            ("curp", "N/A"),
            ("originDob", "N/A"),
            ("fullName", name.as_str()),
        ]
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn document_number(&self) -> String {
        format!("SBX{:07}", self.number)
    }
}
