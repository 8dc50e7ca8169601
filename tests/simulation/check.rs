//! What is in the file, held against the model.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::model::{Plan, Run, Watched};
use crate::world::{Alert, DESTINATIONS, Kept, State, World};

/// Everything but the history, as one text; of alerts those from the place `?1` on.
const DUMP: &str = "
    SELECT json_object(
        'services', (SELECT json_group_array(json_array(
            name, frequency, cron, tz, grace, grace_given, max_runtime, locked, paused, last_ping, last_success,
            last_duration_ms, expected, deadline, alerted, failed, outage_since, reminded_at, running_since, signals,
            runs, newest_ping)) FROM services),
        'aliases', (SELECT json_group_array(json_array(alias, service)) FROM aliases),
        'alerts', (SELECT json_group_array(json_array(
            seq, id, service, kind, about, occurrence, created_at, outage_since, reason, uncertain_from, uncertain_to,
            deadline, last_ping, exit_status, running_since, failed, frequency, cron, tz, grace, last_success,
            last_duration_ms)) FROM (SELECT * FROM alerts WHERE seq >= ?1 ORDER BY seq)),
        'deliveries', (SELECT json_group_array(json_array(
            alert, destination, state, attempts, next_attempt, destination_failed, retried_at)) FROM deliveries WHERE alert >= ?1),
        'monitor', (SELECT json_array(listening_until, gap_from, gap_to, hold_until) FROM monitor),
        'log_bytes', (SELECT coalesce(sum(bytes), 0) FROM logs))";

const HISTORY: &str = "
    SELECT json_group_array(json_array(
        id, service, number, previous, at, received_at, signal, exit_status, duration_ms, run)) FROM pings";

/// What is known of the alerts that were seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Each alert's place and id, by which of all it is.
    pub alerts: HashMap<u64, (i64, String)>,
    /// What each id is about.
    ids: HashMap<String, Value>,
    /// The place of the newest.
    newest: i64,
    /// From where on they are looked at now.
    from: i64,
}

impl Seen {
    fn is_looked_at(&self, alert: &Alert) -> bool {
        self.alerts.get(&alert.ordinal).is_none_or(|(place, _)| *place >= self.from)
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn plan(plan: Plan) -> [Value; 3] {
    match plan {
        Plan::Every(seconds) => [json!(seconds), Value::Null, Value::Null],
        Plan::Cron(fields, zone) => [Value::Null, json!(fields), json!(zone)],
    }
}

fn runs(runs: &[Run]) -> Value {
    let ms = |second: Option<i64>| second.map(|second| second * 1000);
    let stored: Vec<_> = runs.iter().map(|run| (run.id, ms(run.began), ms(run.ended))).collect();
    if stored.is_empty() { Value::Null } else { json!(json!(stored).to_string()) }
}

fn service(name: &str, kept: &Kept) -> Value {
    let Watched { plan: schedule, grace, grace_given, max_runtime, locked, paused, .. } =
        kept.watched;
    let it = &kept.watched;
    let [frequency, cron, tz] = plan(schedule);
    let flag = i64::from;
    json!([
        name,
        frequency,
        cron,
        tz,
        grace,
        flag(grace_given),
        max_runtime,
        flag(locked),
        flag(paused),
        it.last_ping,
        it.last_success,
        it.duration_ms,
        it.expected,
        it.deadline,
        flag(it.told),
        flag(it.failed),
        it.outage,
        it.reminded,
        it.running(),
        kept.signals,
        runs(&it.runs)
    ])
}

fn alert(alert: &Alert) -> Value {
    let (told, then) = (alert.told, &alert.then);
    let [frequency, cron, tz] = plan(then.plan);
    json!([
        alert.name,
        told.kind.as_str(),
        told.about,
        alert.occurrence,
        alert.created,
        told.since,
        told.reason,
        told.uncertain.map(|away| away.0),
        told.uncertain.map(|away| away.1),
        then.deadline,
        then.last_ping,
        alert.exit_status,
        then.running(),
        i64::from(then.failed),
        frequency,
        cron,
        tz,
        then.grace,
        then.last_success,
        then.duration_ms
    ])
}

fn same(what: &str, found: &Value, wanted: &Value) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}\n   is {found}\n  not {wanted}"))
}

/// The alerts that are looked at after every step; all are where a check is thorough.
const ALERTS_NEWEST: i64 = 12;

/// Reads the file, and says where it is not as the model has it.
pub async fn check(
    eyes: &mut SqliteConnection,
    world: &World,
    seen: &mut Seen,
    is_thorough: bool,
) -> Result<(), String> {
    seen.from = if is_thorough { 0 } else { seen.newest - ALERTS_NEWEST };
    let dump = sqlx::query_scalar(DUMP).bind(seen.from).fetch_one(eyes).await;
    let text: String = dump.map_err(|error| error.to_string())?;
    let dump: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    services(&dump["services"], world)?;
    let mut aliases: Vec<_> = array(&dump["aliases"]).to_vec();
    aliases.sort_by_key(ToString::to_string);
    same("aliases", &json!(aliases), &json!(world.aliases.iter().collect::<Vec<_>>()))?;
    let gap = world.gap;
    let monitor = json!([
        world.until,
        gap.map(|gap| gap.from),
        gap.map(|gap| gap.to),
        gap.map(|gap| gap.hold_until)
    ]);
    let found = if dump["monitor"].is_null() {
        json!([null, null, null, null])
    } else {
        dump["monitor"].clone()
    };
    same("what is remembered of its own attention", &found, &monitor)?;
    alerts(&dump, world, seen)?;
    deliveries(&dump["deliveries"], world, seen)?;
    if dump["log_bytes"].as_i64() > Some(world.setting.log_bytes) {
        return Err(format!("the logs take {}", dump["log_bytes"]));
    }
    Ok(())
}

fn services(found: &Value, world: &World) -> Result<(), String> {
    let found: BTreeMap<&str, &Value> =
        array(found).iter().map(|row| (row[0].as_str().unwrap_or_default(), row)).collect();
    let wanted: Vec<_> = world.services.keys().collect();
    same("the services", &json!(found.keys().collect::<Vec<_>>()), &json!(wanted))?;
    for (name, kept) in &world.services {
        let mut row = array(found[name]).to_vec();
        row.pop();
        let mut wanted = service(name, kept);
        if kept.is_spoilt {
            wanted[20] = row[20].clone();
        }
        same(&format!("the service {name}"), &Value::Array(row), &wanted)?;
    }
    Ok(())
}

fn alerts(dump: &Value, world: &World, seen: &mut Seen) -> Result<(), String> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in array(&dump["alerts"]) {
        found.entry(row[2].as_str().unwrap_or_default()).or_default().push(row);
        let is_early = row[3] == "overdue" && row[6].as_i64() <= row[4].as_i64();
        if is_early {
            return Err(format!("an alert before its time: {row}"));
        }
        // One id is one alert: of a service, a kind, a second, and the same for ever.
        let about = json!([row[2], row[3], row[4], row[5]]);
        let id = row[1].as_str().unwrap_or_default().to_owned();
        let before = seen.ids.entry(id).or_insert_with(|| about.clone());
        same("what an id is about", &about, before)?;
    }
    let mut wanted: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
    for alert in world.alerts.iter().filter(|alert| seen.is_looked_at(alert)) {
        wanted.entry(alert.name).or_default().push(alert);
    }
    let names = |names: Vec<&&str>| json!(names);
    same("those told of", &names(found.keys().collect()), &names(wanted.keys().collect()))?;
    for (name, wanted) in wanted {
        let found = &found[name];
        for (place, alert_wanted) in wanted.iter().enumerate() {
            let row = found.get(place).map_or(&[] as &[Value], |row| array(row));
            let shown = row.get(2..).unwrap_or_default();
            same(&format!("alert {place} of {name}"), &json!(shown), &alert(alert_wanted))?;
            let known = (
                row[0].as_i64().unwrap_or_default(),
                row[1].as_str().unwrap_or_default().to_owned(),
            );
            seen.newest = seen.newest.max(known.0);
            let before = seen.alerts.entry(alert_wanted.ordinal).or_insert_with(|| known.clone());
            if *before != known {
                return Err(format!("an alert was {before:?} and is {known:?}"));
            }
        }
        if found.len() > wanted.len() {
            return Err(format!("an alert too many: {}", found[wanted.len()]));
        }
    }
    Ok(())
}

fn deliveries(found: &Value, world: &World, seen: &Seen) -> Result<(), String> {
    let shown = |place: i64, to: &str, state: &str, numbers: [i64; 4]| {
        // When it would have been tried again is nothing once it is not.
        let next = if state == "pending" { numbers[1] } else { 0 };
        format!("{place:06} {to} {state} {} {next} {} {}", numbers[0], numbers[2], numbers[3])
    };
    let mut found: Vec<String> = array(found)
        .iter()
        .map(|row| {
            let number = |place: usize| row[place].as_i64().unwrap_or_default();
            let text = |place: usize| row[place].as_str().unwrap_or_default();
            shown(number(0), text(1), text(2), [number(3), number(4), number(5), number(6)])
        })
        .collect();
    let mut wanted: Vec<String> = Vec::new();
    for alert in world.alerts.iter().filter(|alert| seen.is_looked_at(alert)) {
        for delivery in &alert.deliveries {
            let state = match delivery.state {
                State::Pending => "pending",
                State::Delivered => "delivered",
                State::GivenUp => "given_up",
            };
            let place = seen.alerts[&alert.ordinal].0;
            let failed = i64::from(delivery.destination_failed);
            let retried = delivery.retried.unwrap_or_default();
            let numbers = [delivery.attempts, delivery.next, failed, retried];
            wanted.push(shown(place, DESTINATIONS[delivery.to], state, numbers));
        }
    }
    found.sort_unstable();
    wanted.sort_unstable();
    let differs = |(found, wanted): &(&String, &String)| found != wanted;
    if let Some((found, wanted)) = found.iter().zip(&wanted).find(differs) {
        return Err(format!("a delivery\n   is {found}\n  not {wanted}"));
    }
    if found.len() != wanted.len() {
        let other = found.iter().chain(&wanted).nth(found.len().min(wanted.len()));
        return Err(format!("{} deliveries, not {}: {other:?}", found.len(), wanted.len()));
    }
    Ok(())
}

/// Reads the history, and says where it is not as the model has it; `slack` is how many rows it may have too many.
pub async fn check_history(
    eyes: &mut SqliteConnection,
    world: &World,
    slack: usize,
) -> Result<(), String> {
    let text: String = sqlx::query_scalar(HISTORY)
        .fetch_one(&mut *eyes)
        .await
        .map_err(|error| error.to_string())?;
    let rows: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let by_id: HashMap<i64, &Value> =
        array(&rows).iter().map(|row| (row[0].as_i64().unwrap_or_default(), row)).collect();
    let newest: Vec<(String, i64)> = sqlx::query_as("SELECT name, newest_ping FROM services")
        .fetch_all(eyes)
        .await
        .map_err(|error| error.to_string())?;
    let bound = usize::try_from(world.setting.history).unwrap_or_default();
    let mut kept = 0;
    for (name, mut id) in newest {
        let wanted = &world.services[name.as_str()].rows;
        kept += wanted.len().min(bound);
        for (place, row) in wanted.iter().rev().take(bound).enumerate() {
            let found = by_id.get(&id).copied().unwrap_or(&Value::Null);
            let exit = row.signal.exit_status();
            let signal = row.signal.as_str();
            let wanted = json!([
                id,
                name,
                row.number,
                found[3],
                row.at,
                row.received,
                signal,
                exit,
                row.duration_ms,
                row.run
            ]);
            same(&format!("signal {place} of {name}, from the last"), found, &wanted)?;
            id = found[3].as_i64().unwrap_or_default();
        }
    }
    let rows_max = 2 * kept + slack;
    if by_id.len() > rows_max {
        return Err(format!("the history has {} rows, over {rows_max}", by_id.len()));
    }
    Ok(())
}

/// Asks SQLite whether the file is whole.
pub async fn check_integrity(eyes: &mut SqliteConnection) -> Result<(), String> {
    let words: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(eyes)
        .await
        .map_err(|error| error.to_string())?;
    same("the integrity", &json!(words), &json!("ok"))
}
