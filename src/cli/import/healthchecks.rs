//! What Healthchecks' `GET /api/v3/checks/` returns, as <https://healthchecks.io/docs/api/> describes it, and what of it
//! has a place here.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::{DESCRIPTION_CHARS_MAX, ECHO_CHARS_MAX};
use crate::core::name::Name;
use crate::core::schedule::{CronPattern, Zone};

/// A check as the API shows it; what has no bearing here is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Check {
    name: String,
    slug: String,
    tags: String,
    desc: String,
    timeout: Option<i64>,
    schedule: Option<String>,
    tz: Option<String>,
    grace: Option<i64>,
    status: String,
    manual_resume: bool,
    methods: String,
    channels: String,
    subject: String,
    subject_fail: String,
    start_kw: String,
    success_kw: String,
    failure_kw: String,
    uuid: Option<String>,
    ping_url: Option<String>,
    update_url: Option<String>,
}

/// A service as it is declared here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// Its name.
    pub(super) name: Name,
    /// What is declared of it, but for its aliases.
    pub(super) body: Value,
    /// The check's UUID, where the file tells it.
    pub(super) uuid: Option<String>,
    /// Its slug, where that is no service's name.
    pub(super) slug: Option<String>,
    /// Whether nothing is expected of it.
    pub(super) paused: bool,
}

/// What a file comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The services, in the order of the file.
    pub(super) services: Vec<Declared>,
    /// What has no place here, a line each.
    pub(super) notes: Vec<String>,
    /// How many checks are left out as a whole.
    pub(super) left_out: usize,
}

impl Plan {
    /// Reads what the API returned, or the array in it.
    ///
    /// # Errors
    /// A sentence about a file that is something else.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let wrong = |why: String| {
            format!("this is not what Healthchecks' GET /api/v3/checks/ returns: {why}")
        };
        let file: Value =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let checks = file.get("checks").unwrap_or(&file).as_array();
        let checks = checks.ok_or_else(|| wrong("it holds no array \"checks\"".to_owned()))?;
        let (mut plan, mut names) = (Self::default(), HashSet::new());
        for (index, check) in checks.iter().enumerate() {
            match Check::deserialize(check) {
                Ok(check) => plan.take(&check, &mut names),
                Err(error) => plan.leave_out(&format!("check {}", index + 1), &error.to_string()),
            }
        }
        plan.give_slugs();
        Ok(plan)
    }

    fn take(&mut self, check: &Check, names: &mut HashSet<Name>) {
        let uuid = check.uuid();
        let name = [check.name.trim(), &check.slug, uuid.as_deref().unwrap_or_default()];
        let text = name.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let who = shown(text);
        let name = match name_of(text) {
            Ok(name) => name,
            Err(why) => return self.leave_out(&who, &why),
        };
        if names.contains(&name) {
            let which = uuid.as_deref().unwrap_or(&check.slug);
            return self.leave_out(
                &who,
                &format!("another check has this name, and names are unique here: rename {which}"),
            );
        }
        let schedule = match check.schedule() {
            Ok(schedule) => schedule,
            Err(why) => return self.leave_out(&who, &why),
        };
        names.insert(name.clone());
        let mut notes = check.notes();
        let mut body = schedule;
        body["grace"] = match check.grace.map(|seconds| (seconds, Grace::from_seconds(seconds))) {
            Some((_, Some(grace))) => json!(grace.to_string()),
            Some((seconds, None)) => {
                notes
                    .push(format!("its grace of {seconds} s is not one, and the default is taken"));
                Value::Null
            }
            None => Value::Null,
        };
        let (description, was_changed) = check.description();
        if was_changed {
            notes.push(format!(
                "its description is one line here, of up to {DESCRIPTION_CHARS_MAX} characters"
            ));
        }
        body["description"] = json!(description);
        if uuid.is_none() {
            notes.push(
                "its UUID is not in the file, as a read-only key was used: clients that ping by it will not be known"
                    .to_owned(),
            );
        }
        self.notes.extend(notes.iter().map(|note| format!("{who}: {note}")));
        let slug =
            Some(check.slug.clone()).filter(|slug| !slug.is_empty() && slug != name.as_str());
        let paused = check.status == "paused";
        self.services.push(Declared { name, body, uuid, slug, paused });
    }

    fn leave_out(&mut self, who: &str, why: &str) {
        self.left_out += 1;
        self.notes.push(format!("{who} is left out: {why}"));
    }

    /// Leaves slugs only to those for whom they are unique.
    fn give_slugs(&mut self) {
        let mut taken: HashSet<String> =
            self.services.iter().map(|service| service.name.as_str().to_owned()).collect();
        for service in &mut self.services {
            if service.slug.as_ref().is_some_and(|slug| !taken.insert(slug.clone())) {
                let (name, slug) = (shown(service.name.as_str()), service.slug.take());
                self.notes.push(no_slug(&name, slug.as_deref().unwrap_or_default()));
            }
        }
    }
}

/// That a slug stands for something else here.
pub(super) fn no_slug(who: &str, slug: &str) -> String {
    format!("{who}: its slug {} is another service's: ping it by its UUID or name", shown(slug))
}

/// A text of the file as a line shows it.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if start.len() == text.len() { format!("{text:?}") } else { format!("{start:?}…") }
}

fn name_of(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| format!("its name {error}"))
}

impl Check {
    /// The UUID, which older versions show in addresses only.
    fn uuid(&self) -> Option<String> {
        let last = |url: &String| url.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
        let found = [
            self.uuid.clone(),
            self.ping_url.as_ref().and_then(last),
            self.update_url.as_ref().and_then(last),
        ];
        let is_uuid = |text: &String| {
            text.len() == 36
                && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
                && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        };
        found.into_iter().flatten().find(is_uuid).map(|uuid| uuid.to_ascii_lowercase())
    }

    /// The schedule as it is declared.
    fn schedule(&self) -> Result<Value, String> {
        if let Some(schedule) = &self.schedule {
            let cron = CronPattern::parse(schedule)
                .map_err(|error| format!("its schedule {} {error}", shown(schedule)))?;
            let tz = self.tz.as_deref().unwrap_or("UTC");
            let zone =
                Zone::parse(tz).map_err(|error| format!("its time zone {} {error}", shown(tz)))?;
            return Ok(json!({ "cron": cron.as_str(), "tz": zone.as_str() }));
        }
        let timeout = self.timeout.ok_or("it has neither a timeout nor a schedule")?;
        let frequency = Frequency::from_seconds(timeout)
            .ok_or_else(|| format!("its timeout of {timeout} s is not a frequency"))?;
        Ok(json!({ "frequency": frequency.to_string() }))
    }

    /// The description as it is kept here, and whether it is another.
    fn description(&self) -> (Option<String>, bool) {
        let words = self.desc.split(char::is_control).map(str::trim);
        let words: Vec<&str> = words.filter(|words| !words.is_empty()).collect();
        let line: String = words.join(" ").chars().take(DESCRIPTION_CHARS_MAX).collect();
        let was_changed = line != self.desc.trim();
        (Some(line).filter(|line| !line.is_empty()), was_changed)
    }

    /// What is left behind of it.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |applies: bool, text: String| {
            if applies {
                notes.push(text);
            }
        };
        let is_set = |text: &str| !text.trim().is_empty();
        note(is_set(&self.tags), format!("its tags {} have no place here", shown(&self.tags)));
        note(
            is_set(&self.channels),
            "its integrations are destinations in overdue.toml here".to_owned(),
        );
        let keywords =
            [&self.start_kw, &self.success_kw, &self.failure_kw, &self.subject, &self.subject_fail];
        note(
            keywords.into_iter().any(|words| is_set(words)),
            "its keywords have no place here: say start, fail or success by the address".to_owned(),
        );
        note(
            is_set(&self.methods),
            format!("it takes every method here, not {} alone", shown(&self.methods)),
        );
        note(
            self.manual_resume,
            "while it is paused, a success resumes it here, and not by hand alone".to_owned(),
        );
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "31365bce-8da9-4729-8ff3-aaa71d56b712";

    fn plan(checks: &Value) -> Plan {
        Plan::read(json!({ "checks": checks }).to_string().as_bytes()).unwrap()
    }

    fn left_out(check: &Value) -> String {
        let plan = plan(&json!([check]));
        assert_eq!((plan.services.len(), plan.left_out), (0, 1), "{plan:?}");
        plan.notes.join("\n")
    }

    #[test]
    fn names_schedules_graces_descriptions_and_pauses_are_carried_over() {
        let plan = plan(&json!([
            { "name": "Backup", "slug": "backup", "timeout": 3600, "grace": 600, "desc": "hourly",
              "ping_url": format!("https://hc-ping.com/{UUID}"), "status": "up" },
            { "name": "", "slug": "by-slug", "schedule": "15 5 * * *", "tz": "Europe/Riga", "grace": 1200,
              "status": "paused", "uuid": UUID.replace('3', "A") },
        ]));
        assert_eq!((&plan.notes, plan.left_out), (&Vec::new(), 0));
        assert_eq!(
            plan.services,
            [
                Declared {
                    name: Name::parse("Backup").unwrap(),
                    body: json!({ "frequency": "1h", "grace": "10m", "description": "hourly" }),
                    uuid: Some(UUID.to_owned()),
                    slug: Some("backup".to_owned()),
                    paused: false,
                },
                Declared {
                    name: Name::parse("by-slug").unwrap(),
                    body: json!({ "cron": "15 5 * * *", "tz": "Europe/Riga", "grace": "20m", "description": null }),
                    uuid: Some(UUID.replace('3', "a")),
                    slug: None,
                    paused: true,
                },
            ]
        );
    }

    #[test]
    fn what_cannot_be_watched_here_is_left_out_with_the_reason() {
        let check = |field: &str, value: Value| {
            let mut check = json!({ "name": "a", "timeout": 60, "grace": 60 });
            check[field] = value;
            left_out(&check)
        };
        insta::assert_snapshot!(check("schedule", json!("0 0 2 * * *")), @r#""a" is left out: its schedule "0 0 2 * * *" is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5"#);
        insta::assert_snapshot!(check("schedule", json!("*-*~1 12:00")), @r#""a" is left out: its schedule "*-*~1 12:00" is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5"#);
        insta::assert_snapshot!(check("timeout", json!(0)), @r#""a" is left out: its timeout of 0 s is not a frequency"#);
        insta::assert_snapshot!(check("timeout", json!(null)), @r#""a" is left out: it has neither a timeout nor a schedule"#);
        insta::assert_snapshot!(check("name", json!("ä".repeat(128))), @r#""ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää"… is left out: its name is 256 bytes long: a name has 1 to 255 bytes"#);
        insta::assert_snapshot!(check("name", json!("a\nb")), @r#""a\nb" is left out: its name has a control character: a name is UTF-8 text without line breaks, tabs and the like"#);
        insta::assert_snapshot!(check("name", json!("")), @r#""" is left out: its name is empty: a name has 1 to 255 bytes"#);
        insta::assert_snapshot!(check("name", json!(3)), @"check 1 is left out: invalid type: integer `3`, expected a string");
        let mut check = json!({ "name": "a", "schedule": "0 2 * * *", "tz": "Mars/Base" });
        assert!(left_out(&check).starts_with(r#""a" is left out: its time zone "Mars/Base" "#));
        check["tz"] = json!("UTC");
        let twice = plan(&json!([check, { "name": "a", "timeout": 60, "uuid": UUID }]));
        assert_eq!((twice.services.len(), twice.left_out), (1, 1));
        assert!(twice.notes[1].ends_with(&format!("rename {UUID}")), "{:?}", twice.notes);
    }

    #[test]
    fn what_has_no_place_here_is_said_a_line_each() {
        let plan = plan(&json!([
            { "name": "a", "slug": "b", "timeout": 60, "grace": -1, "tags": "prod db", "channels": UUID,
              "desc": "one\r\n\ttwo", "methods": "POST", "manual_resume": true, "success_kw": "DONE" },
            { "name": "b", "slug": "b", "timeout": 60, "uuid": UUID, "subject": "SUCCESS" },
        ]));
        assert_eq!(plan.services.len(), 2);
        assert_eq!(plan.services[0].body["description"], "one two");
        assert_eq!([&plan.services[0].slug, &plan.services[1].slug], [&None, &None]);
        insta::assert_snapshot!(plan.notes.join("\n"), @r#"
        "a": its tags "prod db" have no place here
        "a": its integrations are destinations in overdue.toml here
        "a": its keywords have no place here: say start, fail or success by the address
        "a": it takes every method here, not "POST" alone
        "a": while it is paused, a success resumes it here, and not by hand alone
        "a": its grace of -1 s is not one, and the default is taken
        "a": its description is one line here, of up to 1000 characters
        "a": its UUID is not in the file, as a read-only key was used: clients that ping by it will not be known
        "b": its keywords have no place here: say start, fail or success by the address
        "a": its slug "b" is another service's: ping it by its UUID or name
        "#);
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        insta::assert_snapshot!(Plan::read(b"{}").unwrap_err(), @r#"this is not what Healthchecks' GET /api/v3/checks/ returns: it holds no array "checks""#);
        insta::assert_snapshot!(Plan::read(b"<html>").unwrap_err(), @"this is not what Healthchecks' GET /api/v3/checks/ returns: expected value at line 1 column 1");
        assert_eq!(Plan::read(b"[]"), Ok(Plan::default()));
    }
}
