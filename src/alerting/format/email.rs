//! `email`: a plain text mail, <https://www.rfc-editor.org/rfc/rfc5322>.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};

use super::{Presentation, Subject, cut};

/// More than any list of mails shows.
const SUBJECT_CHARS_MAX: usize = 200;

/// The mail for `to` that tells of `subject` as it leaves at `now`.
///
/// # Errors
/// That no mail can be made of these addresses.
pub(in crate::alerting) fn message(
    from: &Address,
    to: &[Address],
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Result<lettre::Message, lettre::error::Error> {
    let headline = subject.headline(&presentation.zone, now);
    let mut lines = vec![headline.clone()];
    lines.extend(subject.lines(&presentation.zone, now));
    lines.extend(subject.link(presentation).map(|link| format!("\n{link}")));
    let sent_at = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or_default());
    let mut mail = lettre::Message::builder()
        .from(from.clone().into())
        .subject(cut(&on_one_line(&headline), SUBJECT_CHARS_MAX))
        .date(sent_at)
        .message_id(Some(format!("<{}@overdue>", message_id(subject, now))))
        // Mails of one outage are shown together.
        .references(format!("<{}@overdue>", subject.outage_key()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        // Nobody's vacation is to answer, <https://www.rfc-editor.org/rfc/rfc3834#section-5>.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for address in to {
        mail = mail.to(address.clone().into());
    }
    mail.body(lines.join("\n") + "\n")
}

/// A mail that is sent again has the same, and mailboxes show it once. So nothing else may have it: not the many that
/// begin with an alert which may have arrived already, not the monitor's next reminder.
fn message_id(subject: Subject<'_>, now: i64) -> String {
    match subject {
        Subject::One(delivery) => delivery.id.clone(),
        Subject::Many(deliveries) => {
            let last = deliveries.last().map_or("", |delivery| &delivery.id);
            format!("{}.{}.{last}", subject.outage_key(), deliveries.len())
        }
        Subject::Monitor(alert) => format!("{}.{now}", alert.id),
    }
}

/// Without what could begin another header. Names hold none of it, but that is decided elsewhere.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
