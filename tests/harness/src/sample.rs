//! The sample database `demo`: deterministic, and every personal value in it made up. E-mail addresses are under
//! example.com (RFC 2606), card numbers under the payment networks' test prefixes, telephone numbers in 555-0100 to
//! 555-0199 (reserved for fiction), account and social security numbers counted up under a bank and an area of no one's.

use std::fmt::Write;

use crate::{Endpoint, PostgresServer, random};

/// The database.
pub const DATABASE: &str = "demo";

/// The role a gateway logs in as. It owns the tables, so that a DROP which slipped through would succeed and be seen.
pub const USER: &str = "grille_app";

/// How many customers there are.
pub const CUSTOMERS: u32 = 300;

/// How many orders there are, the same number for each customer.
pub const ORDERS: u32 = 2 * CUSTOMERS;

/// A row of `customers`: what is protected in it, as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The key, from 1.
    pub id: u32,
    /// Not protected by a detector.
    pub name: String,
    /// `EMAIL_ADDRESS`.
    pub email: String,
    /// `PHONE_NUMBER`.
    pub phone: String,
    /// `CREDIT_CARD`, in groups of four.
    pub card: String,
    /// `US_SSN`, with dashes.
    pub ssn: String,
    /// `IBAN_CODE`.
    pub iban: String,
}

/// How the sample's owner connects to PostgreSQL itself.
#[derive(Clone)]
pub struct Application {
    /// Database [`DATABASE`], user [`USER`], a password made for this run.
    pub direct: Endpoint,
}

/// Creates database, role, tables and rows.
///
/// # Errors
/// When PostgreSQL refuses.
pub fn load(server: &PostgresServer) -> anyhow::Result<Application> {
    let password = random::hex::<16>()?;
    create_database(server, DATABASE, USER, &password)?;
    let direct = server.endpoint(DATABASE, USER, &password);
    direct.psql_strict(&tables_and_rows())?.ok()?;
    Ok(Application { direct })
}

/// A database owned by a role that may do nothing else.
///
/// # Errors
/// When PostgreSQL refuses.
pub fn create_database(
    server: &PostgresServer,
    database: &str,
    user: &str,
    password: &str,
) -> anyhow::Result<()> {
    let sql = format!(
        "CREATE ROLE {user} LOGIN PASSWORD '{password}' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;\n\
         CREATE DATABASE {database} OWNER {user};\n\
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
    );
    server.sql_admin("postgres", &sql)?;
    Ok(())
}

/// The customers, in order of their keys.
pub fn customers() -> impl Iterator<Item = Customer> {
    (1..=CUSTOMERS).map(customer)
}

/// Every protected value of the database, in the spellings in which it could show: none may reach a client, a log, an
/// audit record or a metric.
pub fn canaries() -> Vec<String> {
    customers()
        .flat_map(|row| {
            let digits = row.card.replace(' ', "");
            [row.email, row.phone, row.card, digits, row.ssn, row.iban]
        })
        .collect()
}

/// The protected values that occur in `text`.
pub fn canaries_in(text: &str) -> Vec<String> {
    canaries().into_iter().filter(|canary| text.contains(canary.as_str())).collect()
}

const FIRST_NAMES: [&str; 10] =
    ["Ada", "Blaise", "Chloé", "Dagmar", "Emil", "Fatma", "Grace", "Håkon", "Ines", "Józef"];
const LAST_NAMES: [&str; 7] = ["Almeida", "Brandt", "Castañeda", "Dvořák", "Eriksen", "Fischer", "Gül"];
const AREAS: [u32; 4] = [202, 303, 404, 503];
const CARD_PREFIXES: [u64; 2] = [411_111, 555_555];

fn customer(id: u32) -> Customer {
    let first = FIRST_NAMES[id as usize % FIRST_NAMES.len()];
    let last = LAST_NAMES[id as usize % LAST_NAMES.len()];
    Customer {
        id,
        name: format!("{first} {last}"),
        email: format!("customer.{id:04}@mail.example.com"),
        phone: format!("+1 {}-555-01{:02}", AREAS[(id / 100) as usize % AREAS.len()], id % 100),
        card: in_groups(&with_luhn(CARD_PREFIXES[id as usize % 2] * 1_000_000_000 + u64::from(id) * 7919)),
        ssn: format!("123-45-{:04}", id + 1000),
        iban: german_iban(u64::from(id) * 31),
    }
}

/// The 15 digits of `number` and their check digit (ISO/IEC 7812-1, annex B).
fn with_luhn(number: u64) -> String {
    let digits = format!("{number:015}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn in_groups(digits: &str) -> String {
    let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|start| &digits[start..start + 4]).collect();
    groups.join(" ")
}

/// An account of bank code 00000000, which no bank has (ISO 13616-1: check digits are 98 - n mod 97, with DE as 1314).
fn german_iban(account: u64) -> String {
    let check = 98 - (u128::from(account) * 1_000_000 + 131_400) % 97;
    format!("DE{check:02}00000000{account:010}")
}

const TABLES: &str = "
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email varchar(80) NOT NULL,
    phone text,
    card text,
    ssn text,
    iban text,
    notes text,
    profile jsonb,
    tags text[],
    balance numeric(12,2),
    born date,
    uid uuid,
    active bool
);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    item text NOT NULL,
    quantity integer NOT NULL,
    price numeric(10,2) NOT NULL,
    placed timestamptz NOT NULL
);
";

fn tables_and_rows() -> String {
    let mut sql = format!("BEGIN;\n{TABLES}");
    for row in customers() {
        write_customer(&mut sql, &row);
    }
    let _ = write!(
        sql,
        "INSERT INTO orders SELECT n, (n - 1) % {CUSTOMERS} + 1, 'item ' || n % 17, n % 5 + 1, n % 97 + 0.99,
            timestamptz '2026-01-01 00:00:00+00' + n * interval '1 hour'
         FROM generate_series(1, {ORDERS}) n;
         COMMIT;"
    );
    sql
}

/// None of the values has a quote in it.
fn write_customer(sql: &mut String, row: &Customer) {
    let Customer { id, name, email, phone, card, ssn, iban } = row;
    let _ = writeln!(
        sql,
        "INSERT INTO customers VALUES ({id}, '{name}', '{email}', '{phone}', '{card}', '{ssn}', '{iban}',
            'Prefers mail to {email}; called from {phone}, paid with {card}.',
            '{{\"contact\": {{\"email\": \"{email}\"}}, \"level\": {level}, \"iban\": \"{iban}\"}}',
            ARRAY['tier-{level}', '{email}'], {id}.25, date '1970-01-01' + {id} * 31,
            '00000000-0000-4000-8000-{id:012}', {id} % 3 <> 0);",
        level = id % 4
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn check_digits_hold() {
        let luhn = |digits: &str| {
            let value = |(place, digit): (usize, u8)| {
                let digit = u32::from(digit - b'0');
                if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
            };
            digits.bytes().rev().enumerate().map(value).sum::<u32>() % 10
        };
        let mod_97 = |iban: &str| {
            let digits = format!("{}1314{}", &iban[4..], &iban[2..4]);
            digits.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97)
        };
        for row in customers() {
            assert_eq!(luhn(&row.card.replace(' ', "")), 0, "{}", row.card);
            assert_eq!(mod_97(&row.iban), 1, "{}", row.iban);
        }
        // The published test number of the first prefix.
        assert_eq!(with_luhn(411_111_111_111_111), "4111111111111111");
    }

    #[test]
    fn every_canary_is_distinct_and_found() {
        let all = canaries();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(canaries_in("x customer.0007@mail.example.com y"), ["customer.0007@mail.example.com"]);
        assert!(canaries_in("nothing").is_empty());
    }
}
