//! Mail, brought to a small SMTP server that speaks for itself.

use overdue::alerting::Step;
use overdue::config::Destination;
use overdue::store::Rules;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::house::{House, TEN, destinations_of, rules};
use crate::post_office::PostOffice;

/// The destination whose URI ends so.
fn mail_to(office: &PostOffice, login: &str, rest: &str) -> Destination {
    let uri = format!("smtp://{login}127.0.0.1:{}?{rest}", office.port);
    let file = format!("[[destination]]\nname = \"mail\"\nuri = \"{uri}\"\n");
    destinations_of(&file).unwrap().remove(0)
}

const ADDRESSES: &str = "from=alerts@example.com&to=ops+night@example.com,boss@example.org";

async fn house_for(destination: &Destination) -> House {
    House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await
}

async fn silence(house: &House, name: &str) {
    let name = percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
    house.ping(&format!("name={name}&frequency=10m&timestamp={}", TEN - 1200)).await;
}

async fn deliver(house: &House, destination: &Destination) {
    let mut courier = house.courier(destination);
    while courier.step(house.clock.now()).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
}

async fn outcome(house: &House) -> String {
    house.texts("SELECT state || ': ' || coalesce(last_error, '') FROM deliveries").await.join("\n")
}

#[tokio::test]
async fn an_alert_and_its_end_are_mails_of_one_thread() {
    let mut office = PostOffice::open().await;
    let destination = mail_to(&office, "me:p%40ss@", ADDRESSES);
    let house = house_for(&destination).await;
    silence(&house, "daily_digest").await;
    house.sweep_at(TEN + 1).await;
    deliver(&house, &destination).await;
    let letter = office.letter().await;
    insta::assert_snapshot!(letter.commands.join("\n"), @r"
EHLO example.com
AUTH PLAIN AG1lAHBAc3M=
MAIL FROM:<alerts@example.com>
RCPT TO:<ops+night@example.com>
RCPT TO:<boss@example.org>
DATA
QUIT
");
    insta::assert_snapshot!(letter.text, @r"
From: alerts@example.com
Subject: OVERDUE daily_digest: 10 min late. Expected by 09:50 UTC. Last
 success 09:40.
Date: Wed, 25 Nov 2026 10:00:01 +0000
Message-ID: <alr_7q64m4vqiz6izy7ofyexwqmld6@overdue>
References: <out_cw4dqkhx56jm3gpwjo25jjzpcq@overdue>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Auto-Submitted: auto-generated
To: ops+night@example.com, boss@example.org
Content-Transfer-Encoding: quoted-printable

OVERDUE daily_digest: 10 min late. Expected by 09:50 UTC. Last success 09:4=
0.
");
    house.get("/ping/daily_digest").await;
    deliver(&house, &destination).await;
    let end = office.letter().await.text;
    let references = |text: &str| {
        let found = text.lines().find(|line| line.starts_with("References: <out_"));
        found.unwrap().to_owned()
    };
    assert_eq!(references(&end), references(&letter.text));
    assert!(end.contains("\nSubject: RECOVERED daily_digest: "), "{end}");
}

#[tokio::test]
async fn a_name_makes_no_header_of_its_own() {
    let mut office = PostOffice::open().await;
    let destination = mail_to(&office, "", ADDRESSES);
    let house = house_for(&destination).await;
    // The separators of Unicode are not control characters, so a name may hold them.
    silence(&house, "a\u{2028}Bcc: x@evil.example =?utf-8?q?=0ABcc: y?= 💾").await;
    silence(&house, &"ü".repeat(127)).await;
    house.sweep_at(TEN + 1).await;
    deliver(&house, &destination).await;
    for letter in [office.letter().await, office.letter().await] {
        assert!(letter.text.is_ascii(), "{}", letter.text);
        assert!(letter.text.lines().all(|line| line.len() <= 78), "{}", letter.text);
        let head = letter.text.split("\n\n").next().unwrap();
        let mut names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "Auto-Submitted",
                "Content-Transfer-Encoding",
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "References",
                "Subject",
                "To"
            ]
        );
        assert_eq!(letter.commands.iter().filter(|line| line.starts_with("RCPT")).count(), 2);
    }
}

#[tokio::test]
async fn many_alerts_are_one_mail() {
    let mut office = PostOffice::open().await;
    let destination = mail_to(&office, "", ADDRESSES);
    let house = house_for(&destination).await;
    let silent = |number| format!("name=job%20{number}&frequency=10m&timestamp={}", TEN - 1200);
    house.ping_all((0..300).map(silent)).await;
    house.sweep_at(TEN + 1).await;
    deliver(&house, &destination).await;
    let letter = office.letter().await;
    assert!(office.letters.try_recv().is_err());
    assert!(letter.text.contains("\nSubject: 300 OVERDUE\n"), "{}", letter.text);
    assert!(letter.text.contains("\nMessage-ID: <many-alr_"), "{}", letter.text);
    assert!(letter.text.contains("\nand 280 more\n"), "{}", letter.text);
    assert_eq!(house.count("SELECT count(*) FROM deliveries WHERE state = 'delivered'").await, 300);
    house.ping_all((0..300).map(|number| format!("name=job%20{number}&frequency=10m"))).await;
    deliver(&house, &destination).await;
    let end = office.letter().await.text;
    assert!(end.contains("\nSubject: 300 RECOVERED\n"), "{end}");
    assert!(end.contains("\nand 280 more\n"), "{end}");
    assert_eq!(end.matches("\nRECOVERED job ").count(), 20, "{end}");
    // And what may be the monitor's own silence.
    house.sweep_after_gap(TEN + 2000).await;
    house.sweep_at(TEN + 2061).await;
    deliver(&house, &destination).await;
    let uncertain = office.letter().await.text;
    assert!(uncertain.contains("\nSubject: 300 OVERDUE (uncertain)\n"), "{uncertain}");
    assert!(uncertain.contains("\nand 280 more\n"), "{uncertain}");
    assert!(office.letters.try_recv().is_err());
}

#[tokio::test]
async fn what_a_server_refuses_is_noted_with_its_words() {
    for (command, answer, state, is_failing) in [
        ("MAIL", "550 5.7.1 go away", "pending: it answered 550: 5.7.1 go away", false),
        ("RCPT", "550 nobody", "pending: it answered 550: nobody", false),
        ("RCPT", "450 greylisted", "pending: it answered 450: greylisted", true),
        (".", "554 spam", "pending: it answered 554: spam", false),
        (".", "452 full", "pending: it answered 452: full", true),
        ("EHLO", "421 not now", "pending: it answered 421: not now", true),
        // A wrong password fails for every mail alike.
        ("AUTH", "535 wrong", "pending: it answered 535: wrong", true),
    ] {
        let office = PostOffice::open().await;
        office.answers(command, answer);
        let destination = mail_to(&office, "me:pass@", ADDRESSES);
        let house = house_for(&destination).await;
        silence(&house, "a").await;
        house.sweep_at(TEN + 1).await;
        deliver(&house, &destination).await;
        assert_eq!(outcome(&house).await, state);
        let failing = house.count("SELECT destination_failed FROM deliveries").await == 1;
        assert_eq!(failing, is_failing, "{command} {answer}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for() {
    for (command, outcome_wanted) in
        [("DATA", "pending: no answer within 1 s"), ("QUIT", "delivered: ")]
    {
        let office = PostOffice::open().await;
        office.answers(command, "");
        let mut destination = mail_to(&office, "", ADDRESSES);
        destination.timeout_seconds = 1;
        let house = house_for(&destination).await;
        silence(&house, "a").await;
        house.sweep_at(TEN + 1).await;
        deliver(&house, &destination).await;
        assert_eq!(outcome(&house).await, outcome_wanted);
    }
}

#[tokio::test]
async fn a_recipient_that_is_refused_keeps_the_mail_from_no_other() {
    let mut office = PostOffice::open().await;
    office.answers("RCPT TO:<boss@", "550 retired");
    let destination = mail_to(&office, "", ADDRESSES);
    let house = house_for(&destination).await;
    silence(&house, "a").await;
    house.sweep_at(TEN + 1).await;
    deliver(&house, &destination).await;
    assert!(office.letter().await.text.contains("OVERDUE a: "));
    assert_eq!(outcome(&house).await, "delivered: ");
}

#[tokio::test]
async fn a_server_that_cannot_speak_tls_where_it_must_gets_neither_mail_nor_password() {
    let mut office = PostOffice::open().await;
    let destination = mail_to(&office, "me:pass@", &format!("{ADDRESSES}&tls=starttls"));
    let house = house_for(&destination).await;
    silence(&house, "a").await;
    house.sweep_at(TEN + 1).await;
    deliver(&house, &destination).await;
    assert_eq!(office.letter().await.commands, ["EHLO example.com"]);
    insta::assert_snapshot!(outcome(&house).await, @"pending: no answer: STARTTLS is not supported on this server");
}

#[tokio::test]
async fn addresses_of_mail_are_checked_at_the_start_and_no_password_is_shown() {
    let wrong = |uri: &str| {
        let file = format!("[[destination]]\nname = \"m\"\nuri = \"{uri}\"\nformat = \"email\"\n");
        let sentence = destinations_of(&file).map(drop).unwrap_err().to_string();
        assert!(!sentence.contains("secret"), "{sentence}");
        sentence
    };
    insta::assert_snapshot!(wrong("https://example.com"), @"overdue.toml line 3: uri is no mail server: use one like smtp://mail.example.com?from=alerts@example.com&to=you@example.com");
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com"), @"overdue.toml line 3: uri has no sender: add ?from=alerts@example.com");
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?from=a@example.com"), @"overdue.toml line 3: uri has no recipient: add &to=you@example.com");
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?from=nobody"), @r#"overdue.toml line 3: uri names "nobody": that is no mail address, as in you@example.com"#);
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?from=a@b.example&to=c@d.example,,"), @r#"overdue.toml line 3: uri names "": that is no mail address, as in you@example.com"#);
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?from=ü@b.example"), @r#"overdue.toml line 3: uri names "ü@b.example": that is no mail address, as in you@example.com"#);
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?from=a@b.example&to=c@d.example&tls=maybe"), @"overdue.toml line 3: uri has a wrong tls: use smtp:// with tls=none or tls=starttls, or smtps:// without it");
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com?sender=a@b.example"), @r#"overdue.toml line 3: uri has the parameter "sender": use from, to and tls only"#);
    insta::assert_snapshot!(wrong("smtp://me:secret@mail.example.com:99999"), @"overdue.toml line 3: uri cannot be read: invalid port number");
    let signed = "[[destination]]\nname = \"m\"\nuri = \"smtp://mail.example.com?from=a@b.example&to=c@d.example\"\nheaders = { X = \"y\" }\n";
    insta::assert_snapshot!(destinations_of(signed).map(drop).unwrap_err().to_string(), @"overdue.toml line 3: uri is a mail server: secrets and headers go with web addresses only");
    let other = "[[destination]]\nname = \"m\"\nuri = \"smtps://mail.example.com?from=a@b.example&to=c@d.example\"\nformat = \"json\"\n";
    insta::assert_snapshot!(destinations_of(other).map(drop).unwrap_err().to_string(), @"overdue.toml line 3: uri is a mail server: use the format email");
}

#[tokio::test]
async fn mail_is_encrypted_unless_it_stays_on_this_machine_or_the_settings_say_so() {
    for (server, tls, port, on_connect, starttls) in [
        ("smtp://mail.example.com", "", 587, false, true),
        ("smtp://mail.example.com:25", "", 25, false, true),
        ("smtp://mail.example.com", "&tls=none", 587, false, false),
        ("smtp://localhost:25", "", 25, false, false),
        ("smtp://[::1]:25", "", 25, false, false),
        ("smtp://127.0.0.1", "&tls=starttls", 587, false, true),
        ("smtps://me:secret@mail.example.com", "", 465, true, false),
    ] {
        let file = format!("[[destination]]\nname = \"m\"\nuri = \"{server}?{ADDRESSES}{tls}\"\n");
        let destination = destinations_of(&file).unwrap().remove(0);
        assert!(!destination.shown().contains("secret"), "{}", destination.shown());
        let mailing = destination.mailing().unwrap();
        assert_eq!(
            (mailing.port, mailing.tls_on_connect, mailing.starttls),
            (port, on_connect, starttls),
            "{server}{tls}"
        );
        assert_eq!(mailing.to[0].to_string(), "ops+night@example.com");
    }
}
