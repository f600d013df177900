//! What a stranger learns with a stopwatch.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::{Provider, TestHost, anyhow::Result};
use postern_server::desk::{Change, Request};
use std::time::{Duration, Instant};

/// Samples of each kind in one measurement. Wrong passwords are budgeted: 300 of one address in an hour,
/// 100 of one name.
const SAMPLES: usize = 17;
/// A machine that does other things at once makes medians differ; a difference in the program makes
/// them differ every time.
const MEASUREMENTS: usize = 5;

/// E-01: a wrong password, a name nobody has, and the right password of an account that an administrator
/// locked take the same time: medians within 5 percent, 2 ms, or what chance makes of them (the notches of
/// their box plots overlap: 1.57 quartile distances over the root of the count, on either side). Taken in
/// turn, so that whatever slows the machine slows all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_unknown_name_and_a_locked_account_take_as_long() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .in_process()
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    host.add_user("bob", PASSWORD, BOB).await?;
    let lock = Change {
        locked: Some(true),
        ..Change::default()
    };
    let request = Request::UserSet {
        name: "bob".to_owned(),
        change: lock,
    };
    host.host().parts.desk.answer(request).await?;

    let kinds = [
        ("alice", "not her password"),
        ("nobody-has-this-name", "not a password"),
        ("bob", PASSWORD),
    ];
    let mut told = Vec::new();
    for _ in 0..MEASUREMENTS {
        let mut samples = kinds.map(|_| Vec::with_capacity(SAMPLES));
        for _ in 0..SAMPLES {
            for (kind, times) in kinds.iter().zip(&mut samples) {
                times.push(one(&host, kind.0, kind.1).await?);
            }
        }
        let mut chance = Duration::ZERO;
        let medians = samples.map(|mut times| {
            times.sort();
            let quartiles = times[SAMPLES * 3 / 4] - times[SAMPLES / 4];
            chance = chance.max(quartiles.mul_f64(2.0 * 1.57 / (SAMPLES as f64).sqrt()));
            times[SAMPLES / 2]
        });
        let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
        let allowed = (*most / 20).max(Duration::from_millis(2)).max(chance);
        // Whatever the noise: half a hash is a difference.
        if *most - *least <= allowed.min(*most / 3) {
            assert!(
                *least > Duration::from_millis(5),
                "a password hash was computed in each: {medians:?}"
            );
            return Ok(());
        }
        told.push(medians);
    }
    panic!("wrong, unknown and locked differ in time, in every measurement: {told:?}");
}

/// From the sending of the form to the whole answer, in a browser of its own.
async fn one(host: &TestHost, name: &str, password: &str) -> Result<Duration> {
    let mut browser = host.browser();
    let page = browser.open("/sign-in").await?;
    let mut fields = page.form("/sign-in/password")?;
    for (field, value) in &mut fields {
        match field.as_str() {
            "username" => *value = name.to_owned(),
            "password" => *value = password.to_owned(),
            _ => {}
        }
    }
    for (field, value) in [("username", name), ("password", password)] {
        if !fields.iter().any(|(known, _)| known == field) {
            fields.push((field.to_owned(), value.to_owned()));
        }
    }
    let began = Instant::now();
    let page = browser.post("/sign-in/password", &fields).await?;
    let took = began.elapsed();
    assert!(page.asks_for_password(), "{}", page.text());
    Ok(took)
}
