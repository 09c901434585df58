//! SCRAM (RFC 5802, RFC 7677) as Kafka uses it: the client's half of the conversation, without channel binding.
//!
//! The server proves that it knows the password too: an answer without that proof is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256, Sha512};

/// The fewest iterations a server may ask for, as Kafka's own client has it.
const ITERATIONS_MIN: u32 = 4_096;

/// The most iterations accepted: they are computed here, and Kafka itself stores no more than 16 384.
const ITERATIONS_MAX: u32 = 100_000;

/// How many characters the client's nonce has.
const NONCE_LENGTH: usize = 32;

/// The header that says: no channel binding; and the same in base64.
const GS2_HEADER: &str = "n,,";
const GS2_HEADER_BASE64: &str = "biws";

/// The hash function of the mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn keyed(self, key: &[u8]) -> Keyed {
        match self {
            Self::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).expect("any length of key")),
            Self::Sha512 => Keyed::Sha512(Hmac::new_from_slice(key).expect("any length of key")),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        self.keyed(key).of(data)
    }

    /// PBKDF2 with one block of output.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let keyed = self.keyed(password);
        let mut block = keyed.of(&[salt, &1_u32.to_be_bytes()].concat());
        let mut result = block.clone();
        for _ in 1..iterations {
            block = keyed.of(&block);
            xor(&mut result, &block);
        }
        result
    }
}

/// An HMAC whose key is set.
enum Keyed {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    fn of(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256(hmac) => {
                let mut hmac = hmac.clone();
                hmac.update(data);
                hmac.finalize().into_bytes().to_vec()
            }
            Self::Sha512(hmac) => {
                let mut hmac = hmac.clone();
                hmac.update(data);
                hmac.finalize().into_bytes().to_vec()
            }
        }
    }
}

fn xor(left: &mut [u8], right: &[u8]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
}

/// One conversation, begun.
pub(crate) struct Scram<'a> {
    hash: Hash,
    password: &'a str,
    nonce: String,
    first_bare: String,
}

impl<'a> Scram<'a> {
    /// Begins a conversation with a fresh nonce.
    pub(crate) fn new(hash: Hash, username: &str, password: &'a str) -> Self {
        let nonce = rand::rng()
            .sample_iter(Alphanumeric)
            .take(NONCE_LENGTH)
            .map(char::from)
            .collect();
        Self::with_nonce(hash, username, password, nonce)
    }

    fn with_nonce(hash: Hash, username: &str, password: &'a str, nonce: String) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={name},r={nonce}");
        Self {
            hash,
            password,
            nonce,
            first_bare,
        }
    }

    /// The client's first message.
    pub(crate) fn first(&self) -> String {
        format!("{GS2_HEADER}{}", self.first_bare)
    }

    /// The client's final message, and the server's answer that proves it.
    pub(crate) fn last(&self, server_first: &[u8]) -> Result<(String, String), String> {
        let server_first = text(server_first)?;
        let nonce = attribute(server_first, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker's nonce does not continue ours".to_owned());
        }
        let salt = BASE64
            .decode(attribute(server_first, 's')?)
            .map_err(|error| format!("the broker's salt is no base64: {error}"))?;
        let iterations = attribute(server_first, 'i')?
            .parse()
            .ok()
            .filter(|iterations| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(iterations))
            .ok_or_else(|| {
                format!(
                    "the broker asks for {} iterations; {ITERATIONS_MIN} to {ITERATIONS_MAX} are accepted",
                    attribute(server_first, 'i').unwrap_or_default()
                )
            })?;

        let hash = self.hash;
        let salted = hash.salted(self.password.as_bytes(), &salt, iterations);
        let without_proof = format!("c={GS2_HEADER_BASE64},r={nonce}");
        let authenticated = format!("{},{server_first},{without_proof}", self.first_bare);
        let mut proof = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&proof), authenticated.as_bytes());
        xor(&mut proof, &signature);
        let server_key = hash.hmac(&salted, b"Server Key");
        let server_signature = hash.hmac(&server_key, authenticated.as_bytes());
        Ok((
            format!("{without_proof},p={}", BASE64.encode(proof)),
            format!("v={}", BASE64.encode(server_signature)),
        ))
    }
}

/// Checks the server's final message against the one expected.
pub(crate) fn check(server_last: &[u8], expected: &str) -> Result<(), String> {
    let server_last = text(server_last)?;
    if let Ok(error) = attribute(server_last, 'e') {
        return Err(format!("the broker said {error}"));
    }
    match server_last == expected {
        true => Ok(()),
        false => Err("the broker could not prove that it knows the password".to_owned()),
    }
}

fn text(message: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(message).map_err(|_| "the broker's message is no UTF-8".to_owned())
}

fn attribute(message: &str, name: char) -> Result<&str, String> {
    let mut attributes = message.split(',');
    let found = attributes.find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| format!("the broker's message has no attribute {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example conversation of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let scram = Scram::with_nonce(
            Hash::Sha256,
            "user",
            "pencil",
            "rOprNGfwEbeRWgbNEkqO".to_owned(),
        );
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, expected) = scram.last(server_first).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &expected).unwrap();
        assert!(check(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &expected).is_err());
    }

    #[test]
    fn a_broker_that_is_none_is_refused() {
        let scram = Scram::with_nonce(Hash::Sha512, "a,b=c", "pencil", "abc".to_owned());
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=abc");
        for (message, complaint) in [
            ("r=xyz,s=AAAA,i=4096", "does not continue ours"),
            ("r=abc,s=AAAA,i=4096", "does not continue ours"),
            ("r=abcd,s=AAAA,i=1", "asks for 1 iterations"),
            ("r=abcd,s=AAAA,i=999999999", "iterations"),
            ("r=abcd,s=?,i=4096", "no base64"),
            ("r=abcd,i=4096", "no attribute s"),
        ] {
            let error = scram.last(message.as_bytes()).unwrap_err();
            assert!(error.contains(complaint), "{message}: {error}");
        }
    }
}
