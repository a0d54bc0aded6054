//! The rows of the twins: what is not protected is the same in both.

use std::fmt::Write;

use crate::canary::{PEOPLE, Secrets};
use crate::twin::Twin;

const NAMES: [&str; PEOPLE as usize] = ["Ada", "Boris", "Chloe", "Dmitri", "Esther", "Femi", "Greta", "Hugo"];

/// From this person on they are contractors, rows of the child table.
const FIRST_CONTRACTOR: u32 = 7;

/// The statements that fill a twin.
pub(super) fn of(twin: Twin) -> String {
    let mut sql = String::from(UNPROTECTED_ROWS);
    for person in 1..=PEOPLE {
        write_person(&mut sql, person, &Secrets::of(twin, person));
    }
    sql.push_str("REFRESH MATERIALIZED VIEW people_archive");
    sql
}

/// None of the values has a quote in it.
fn write_person(sql: &mut String, id: u32, secrets: &Secrets) {
    let Secrets {
        ssn, email, salary, born, pin, photo, note, tag, badge, feeling, card, phrase, stay, ..
    } = secrets;
    let (table, more_columns, more_values) = match id {
        FIRST_CONTRACTOR.. => ("contractors", ", agency", ", 'north'"),
        _ => ("people", "", ""),
    };
    let name = NAMES[id as usize - 1];
    let (team, level, active, day) = (id % 3 + 1, id % 4, !id.is_multiple_of(5), id + 9);
    // Writing to a String does not fail.
    let _ = write!(
        sql,
        "INSERT INTO {table} (id, name, team_id, level, active, joined, ssn, email, salary, born, pin, photo, notes, tags, \
             badge, feeling, card, phrase, stay{more_columns}) \
         VALUES ({id}, '{name}', {team}, {level}, {active}, '2020-01-{day:02}', '{ssn}', '{email}', {salary}, '{born}', \
             {pin}, convert_to('{photo}', 'UTF8'), '{{\"note\": \"{note}\", \"kin\": [\"{tag}\"]}}', \
             ARRAY['{tag}', 'plain'], '{badge}', '{feeling}', ROW('{card}', 'bank'), '{phrase}', \
             '[{stay},{stay_end})'{more_values});",
        stay_end = stay + 10,
    );
    if id < FIRST_CONTRACTOR {
        let Secrets { diagnosis, .. } = secrets;
        let _ = write!(
            sql,
            "INSERT INTO visits VALUES ({id}, {id}, 'room {room}', {id}.50, '2026-02-{id:02} 09:00:00+00', '{diagnosis}');",
            room = id % 2
        );
    }
    let _ = write!(sql, "INSERT INTO readings VALUES ('2026-03-{id:02}', {id}, '{}');", secrets.reading);
}

const UNPROTECTED_ROWS: &str = r#"
INSERT INTO teams VALUES (1, 'Works', 1, NULL), (2, 'Design', 2, 1), (3, 'Sales', 2, 1), (4, 'Field', 3, 3);
INSERT INTO ledger VALUES
    (1, 'opening', 100.00, '{a,b}', '{"kind": "in", "lines": [1, 2, 3]}', '2026-01-01', '2026-01-01 08:00:00'),
    (2, 'rent', -40.50, '{b}', '{"kind": "out", "lines": []}', '2026-01-05', '2026-01-05 09:30:00'),
    (3, 'fees', -3.25, '{}', '{"kind": "out", "lines": [7]}', '2026-02-01', '2026-02-01 10:00:00.5'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO tasks (id, title, state, weight, due) VALUES
    (1, 'paint', 'open', 1.5, '2026-05-01'), (2, 'sand', 'doing', 2, '2026-04-01'), (3, 'measure', 'done', 0.25, NULL);
ALTER TABLE tasks ALTER id RESTART WITH 100;
"#;
