//! Digests and HMAC. MD5 and SHA-1 are there because providers' signatures ask for them, not because they are good.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Fault;

pub(crate) fn digest(algorithm: &str, data: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(match algorithm {
        "md5" => Md5::digest(data).to_vec(),
        "sha1" => Sha1::digest(data).to_vec(),
        "sha256" => Sha256::digest(data).to_vec(),
        "sha384" => Sha384::digest(data).to_vec(),
        "sha512" => Sha512::digest(data).to_vec(),
        _ => {
            return Err(Fault::Unknown {
                registry: "digest",
                name: algorithm.into(),
            });
        }
    })
}

/// RFC 2104.
pub(crate) fn hmac(algorithm: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(match algorithm {
        "md5" => keyed::<Hmac<Md5>>(key, data),
        "sha1" => keyed::<Hmac<Sha1>>(key, data),
        "sha256" => keyed::<Hmac<Sha256>>(key, data),
        "sha384" => keyed::<Hmac<Sha384>>(key, data),
        "sha512" => keyed::<Hmac<Sha512>>(key, data),
        _ => {
            return Err(Fault::Unknown {
                registry: "digest",
                name: algorithm.into(),
            });
        }
    })
}

fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    /// FIPS 180-4 examples ("abc", the 448-bit message, the empty one), RFC 1321 appendix A.5.
    #[test]
    fn the_published_digests_hold() {
        let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for (algorithm, data, expected) in [
            ("md5", "", "d41d8cd98f00b204e9800998ecf8427e"),
            ("md5", "abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("md5", "message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("sha1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha1", long, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (
                "sha256",
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                "sha256",
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "sha256",
                long,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                "sha384",
                "abc",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "sha512",
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(
                hex::encode(digest(algorithm, data.as_bytes()).unwrap()),
                expected,
                "{algorithm} {data:?}"
            );
        }
        assert!(matches!(
            digest("sha3-256", b""),
            Err(Fault::Unknown { .. })
        ));
    }

    /// RFC 4231 sections 4.2 to 4.8, all but the truncated one.
    #[test]
    fn the_published_hmacs_of_the_sha_2_family_hold() {
        let cases = [
            (
                unhex(&"0b".repeat(20)),
                b"Hi There".to_vec(),
                [
                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                    "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
                ],
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                [
                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
                ],
            ),
            (
                unhex(&"aa".repeat(20)),
                unhex(&"dd".repeat(50)),
                [
                    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                    "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
                    "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
                ],
            ),
            (
                unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
                unhex(&"cd".repeat(50)),
                [
                    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                    "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
                    "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
                ],
            ),
            (
                unhex(&"aa".repeat(131)),
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                [
                    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                    "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                    "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
                ],
            ),
        ];
        for (key, data, expected) in cases {
            for (algorithm, expected) in ["sha256", "sha384", "sha512"].into_iter().zip(expected) {
                assert_eq!(hex::encode(hmac(algorithm, &key, &data).unwrap()), expected);
            }
        }
    }

    /// RFC 2202 sections 2 and 3
    #[test]
    fn the_published_hmacs_of_md5_and_sha_1_hold() {
        for (algorithm, key, data, expected) in [
            (
                "md5",
                unhex(&"0b".repeat(16)),
                &b"Hi There"[..],
                "9294727a3638bb1c13f48ef8158bfc9d",
            ),
            (
                "md5",
                b"Jefe".to_vec(),
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (
                "sha1",
                unhex(&"0b".repeat(20)),
                b"Hi There",
                "b617318655057264e28bc0b6fb378c8ef146be00",
            ),
            (
                "sha1",
                b"Jefe".to_vec(),
                b"what do ya want for nothing?",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
        ] {
            assert_eq!(hex::encode(hmac(algorithm, &key, data).unwrap()), expected);
        }
        assert!(matches!(
            hmac("sha224", b"", b""),
            Err(Fault::Unknown { .. })
        ));
    }
}
