//! The examples of RFC 7516 and RFC 7518.

use valetkey_proto::{
    crypto::{
        ContentEncryption as C, Curve, DecryptionKey, EphemeralKey, KeyManagement as K, KeyParameters,
        PrivateKey,
    },
    jose::{Jwk, jwe::Decrypter},
};

use crate::{pairs::decode, support::crypto};

#[test]
fn rfc_7516_a_1_rsa_oaep_with_a256gcm() {
    let text = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.\
        OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9j\
        wQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322\
        i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWT\
        Iy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.\
        5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.\
        XFBoMYUZodetZdvTiFvSkQ";
    let key = PrivateKey::parse(include_bytes!("keys/rfc7516-a1.jwk.json")).unwrap();
    let decrypter = Decrypter::private(&key, K::RsaOaep, C::A256Gcm, &crypto()).unwrap();
    assert_eq!(
        decrypter.decrypt(text, &crypto()).unwrap(),
        "The true sign of intelligence is not knowledge but imagination."
    );
}

#[test]
fn rfc_7516_a_3_a128kw_with_a128cbc_hs256() {
    let text = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.\
        6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.\
        KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ";
    let secret = decode("GawgguFyGrWKav7AX4VKUg");
    let decrypter = Decrypter::secret(&secret, K::A128Kw, C::A128CbcHs256, &crypto()).unwrap();
    assert_eq!(decrypter.decrypt(text, &crypto()).unwrap(), "Live long and prosper.");
}

/// The key that Bob comes to from Alice's ephemeral key.
#[test]
fn rfc_7518_c_ecdh_es_on_p_256() {
    let bob = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#;
    let alice = EphemeralKey {
        curve: Curve::P256,
        x: decode("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0"),
        y: decode("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"),
    };
    let parameters = KeyParameters {
        ephemeral: Some(alice),
        producer: Some(b"Alice".to_vec()),
        recipient: Some(b"Bob".to_vec()),
        ..KeyParameters::default()
    };
    Jwk::parse(bob).unwrap();
    let pkcs8 = crate::pairs::p256_pkcs8(bob);
    let unwrapper = crypto().keys.unwrapper(K::EcdhEs, DecryptionKey::Private(&pkcs8)).unwrap();
    let key = unwrapper.unwrap(b"", &parameters, C::A128Gcm).unwrap();
    assert_eq!(key.expose(), decode("VqqN6vgjbSBcIijNcacQGg"));
}
