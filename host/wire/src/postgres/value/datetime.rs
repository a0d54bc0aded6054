//! `date`, `time`, `timetz`, `timestamp` and `timestamptz`.
//!
//! Binary values count days or microseconds from 2000-01-01 (manual, "Date/Time Types"; `datatype/timestamp.h`). Text is
//! read in ISO DateStyle, the default and what drivers ask for; a value in another style has a constant put in its place.
//! What is written is ISO, which the server and clients read under every style.

use super::scalar::Scalar;
use super::token::{Domain, Stream, Tokenizer};

/// Days from the Unix epoch to PostgreSQL's.
const EPOCH_DAYS: i64 = 10_957;
const SECONDS_A_DAY: i64 = 86_400;
const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = SECONDS_A_DAY * MICROS_A_SECOND;
/// Longest year that either type has: `date` ends in 5874897.
const YEAR_DIGITS_MAX: usize = 7;

/// Tokens are days from 1925-01-01, so many: to 2024-12-31.
const TOKEN_DAY_FIRST: i64 = -27_393;
const TOKEN_DAYS: u64 = 36_525;

/// A keyed number below `others + 1` that is not `excluded`.
fn other_than(stream: &mut Stream<'_>, excluded: i64, others: u64) -> i64 {
    let keyed = i64::try_from(stream.below(others)).unwrap_or(0);
    if excluded >= 0 && keyed >= excluded { keyed + 1 } else { keyed }
}

/// A value of type `date`: days from 2000-01-01; the extremes are the infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date(i32);

const REDACTED_DATE: Date = Date(-10_957);

impl Scalar for Date {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "infinity" => Some(Self(i32::MAX)),
            "-infinity" => Some(Self(i32::MIN)),
            _ => {
                let (date, era) = split_era(text);
                i32::try_from(parse_days(date, era)?).ok().map(Self)
            }
        }
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(i32::from_be_bytes(bytes)))
    }

    fn surrogate(_typmod: i32) -> Self {
        REDACTED_DATE
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        let mut stream = tokens.stream(Domain::Date, &self.0.to_be_bytes());
        let day = other_than(&mut stream, i64::from(self.0) - TOKEN_DAY_FIRST, TOKEN_DAYS - 1);
        Self(i32::try_from(TOKEN_DAY_FIRST + day).unwrap_or(REDACTED_DATE.0))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        match self.0 {
            i32::MAX => out.extend_from_slice(b"infinity"),
            i32::MIN => out.extend_from_slice(b"-infinity"),
            days => {
                let (date, era) = written_date(i64::from(days));
                out.extend_from_slice(format!("{date}{era}").as_bytes());
            }
        }
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// A value of type `time`: microseconds from midnight, 24:00:00 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(i64);

impl Scalar for Time {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        parse_clock(text).map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(i64::from_be_bytes).filter(is_time_of_day).map(Self)
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(0)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(keyed_clock(Domain::Time, &self.0.to_be_bytes(), self.0, tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(written_clock(self.0).as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// A value of type `timetz`: microseconds from midnight, and seconds west of Greenwich.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeTz {
    micros: i64,
    west: i32,
}

impl Scalar for TimeTz {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        let (clock, east) = split_zone(text)?;
        Some(Self { micros: parse_clock(clock)?, west: -i32::try_from(east).ok()? })
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let (micros, west) = bytes.split_first_chunk::<8>()?;
        let micros = Some(i64::from_be_bytes(*micros)).filter(is_time_of_day)?;
        let west = Some(i32::from_be_bytes(west.try_into().ok()?))
            .filter(|west| i64::from(west.unsigned_abs()) < SECONDS_A_DAY)?;
        Some(Self { micros, west })
    }

    fn surrogate(_typmod: i32) -> Self {
        Self { micros: 0, west: 0 }
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        let value = [&self.micros.to_be_bytes()[..], &self.west.to_be_bytes()].concat();
        Self { micros: keyed_clock(Domain::Time, &value, self.micros, tokens), west: 0 }
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let zone = written_zone(-i64::from(self.west));
        out.extend_from_slice(format!("{}{zone}", written_clock(self.micros)).as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.micros.to_be_bytes());
        out.extend_from_slice(&self.west.to_be_bytes());
    }
}

/// A value of type `timestamp`: microseconds from 2000-01-01; the extremes are the infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp(i64);

/// A value of type `timestamptz`: the same, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimestampTz(i64);

const REDACTED_MICROS: i64 = -EPOCH_DAYS * MICROS_A_DAY;

/// Whether a text of the type ends in an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Absent,
    Present,
}

impl Scalar for Timestamp {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        parse_timestamp(text, Zone::Absent).map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(REDACTED_MICROS)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(keyed_timestamp(self.0, tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(written_timestamp(self.0, "").as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl Scalar for TimestampTz {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        parse_timestamp(text, Zone::Present).map(Self)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn surrogate(_typmod: i32) -> Self {
        Self(REDACTED_MICROS)
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        Self(keyed_timestamp(self.0, tokens))
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(written_timestamp(self.0, "+00").as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// A keyed second of the token days: valid for every precision.
fn keyed_timestamp(micros: i64, tokens: &Tokenizer) -> i64 {
    let mut stream = tokens.stream(Domain::Timestamp, &micros.to_be_bytes());
    let day = other_than(&mut stream, micros.div_euclid(MICROS_A_DAY) - TOKEN_DAY_FIRST, TOKEN_DAYS - 1);
    let second = other_than(&mut stream, -1, SECONDS_A_DAY.unsigned_abs());
    (TOKEN_DAY_FIRST + day) * MICROS_A_DAY + second * MICROS_A_SECOND
}

/// A keyed second of the day, other than the one in which `micros` is.
pub(super) fn keyed_clock(domain: Domain, value: &[u8], micros: i64, tokens: &Tokenizer) -> i64 {
    let mut stream = tokens.stream(domain, value);
    let seconds = (SECONDS_A_DAY - 1).unsigned_abs();
    other_than(&mut stream, micros / MICROS_A_SECOND, seconds) * MICROS_A_SECOND
}

fn is_time_of_day(micros: &i64) -> bool {
    (0..=MICROS_A_DAY).contains(micros)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Common,
    BeforeChrist,
}

fn split_era(text: &str) -> (&str, Era) {
    match text.strip_suffix(" BC") {
        Some(rest) => (rest, Era::BeforeChrist),
        None => (text, Era::Common),
    }
}

fn parse_timestamp(text: &str, zone: Zone) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, era) = split_era(text);
    let (date, time) = text.split_once(' ')?;
    let (clock, east) = match zone {
        Zone::Absent => (time, 0),
        Zone::Present => split_zone(time)?,
    };
    let days = parse_days(date, era)?;
    days.checked_mul(MICROS_A_DAY)?.checked_add(parse_clock(clock)?)?.checked_sub(east * MICROS_A_SECOND)
}

/// `YYYY-MM-DD` as days from 2000-01-01.
fn parse_days(date: &str, era: Era) -> Option<i64> {
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if !(4..=YEAR_DIGITS_MAX).contains(&year.len()) {
        return None;
    }
    let year = match era {
        Era::Common => number(year)?,
        Era::BeforeChrist => 1 - number(year)?,
    };
    let (month, day) = (two_digits(month)?, two_digits(day)?);
    let days = days_from_civil(year, month, day);
    // A day that the month does not have would come back as another.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// `HH:MM:SS` with up to six digits after the point, as microseconds; at most 24:00:00.
pub(super) fn parse_clock(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(two_digits);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    let micros = ((hours * 60 + minutes) * 60 + seconds) * MICROS_A_SECOND + parse_fraction(fraction)?;
    Some(micros).filter(is_time_of_day)
}

/// Digits after the point of a second, as microseconds.
pub(super) fn parse_fraction(fraction: &str) -> Option<i64> {
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<6}").parse().ok()
}

/// Splits `+HH`, `+HH:MM` or `+HH:MM:SS` off the end, as seconds east of Greenwich.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    let at = text.rfind(['+', '-'])?;
    let (clock, zone) = text.split_at(at);
    let mut seconds = 0;
    let mut unit = 3600;
    for part in zone[1..].split(':') {
        seconds += two_digits(part)? * unit;
        unit /= 60;
    }
    let east = if zone.starts_with('-') { -seconds } else { seconds };
    (seconds < SECONDS_A_DAY).then_some((clock, east))
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { number(text) } else { None }
}

fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn written_timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        _ => {
            let (date, era) = written_date(micros.div_euclid(MICROS_A_DAY));
            format!("{date} {}{zone}{era}", written_clock(micros.rem_euclid(MICROS_A_DAY)))
        }
    }
}

fn written_date(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// A time as the server writes it: no zeros at the end of the fraction.
pub(super) fn written_clock(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_A_SECOND, micros % MICROS_A_SECOND);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return clock;
    }
    format!("{clock}.{}", format!("{fraction:06}").trim_end_matches('0'))
}

fn written_zone(east: i64) -> String {
    let sign = if east < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (east.abs() / 3600, east.abs() / 60 % 60, east.abs() % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        (_, _) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Days from 2000-01-01 to a day of the proleptic Gregorian calendar. The year is counted from March, so that the leap day
/// is its last, and an era is the calendar's period of 400 years (146,097 days).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS
}

/// The inverse: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468 + EPOCH_DAYS;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> Tokenizer {
        Tokenizer::new(&[1; 32]).expect("long enough")
    }

    fn text<S: Scalar>(value: &S) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn dates_count_from_2000() {
        let check = |date: &str, days| {
            assert_eq!(Date::from_text(date), Some(Date(days)));
            assert_eq!(text(&Date(days)), date);
        };
        check("2000-01-01", 0);
        check("1970-01-01", -10_957);
        check("2024-02-29", 8825);
        check("0001-01-01", -730_119);
        check("0001-12-31 BC", -730_120);
        check("4714-11-24 BC", -2_451_545);
        check("5874897-12-31", 2_145_031_948);
        check("infinity", i32::MAX);
        check("1925-01-01", -27_393);
        assert_eq!(REDACTED_DATE.redacted(), Date::from_text("1970-01-01").expect("a date"));
    }

    #[test]
    fn what_is_no_iso_date_is_not_read() {
        for date in [
            "",
            "2023-02-29",
            "2023-13-01",
            "2023-00-10",
            "01/02/2020",
            "20-01-01",
            "+2020-01-01",
            "99999999-01-01",
        ] {
            assert_eq!(Date::from_text(date), None, "{date}");
        }
    }

    #[test]
    fn times_and_zones_read_back() {
        let check_time = |time: &str| assert_eq!(text(&Time::from_text(time).expect("a time")), time);
        check_time("00:00:00");
        check_time("23:59:59.999999");
        check_time("24:00:00");
        check_time("04:05:06.7");
        let check_zoned = |time: &str| assert_eq!(text(&TimeTz::from_text(time).expect("a time")), time);
        check_zoned("04:05:06+02");
        check_zoned("04:05:06.789-05:30");
        check_zoned("04:05:06+15:59:59");
        for time in ["24:00:01", "12:60:00", "1:2:3", "12:00", "12:00:00.1234567"] {
            assert_eq!(Time::from_text(time), None, "{time}");
        }
    }

    #[test]
    fn a_timestamp_is_the_same_moment_in_every_zone() {
        let moment = |text: &str| TimestampTz::from_text(text).expect("a timestamp");
        assert_eq!(moment("2020-01-01 12:00:00+02"), moment("2020-01-01 10:00:00+00"));
        assert_eq!(moment("2020-01-01 00:30:00-05:30"), moment("2020-01-01 06:00:00+00"));
        assert_eq!(text(&moment("2020-01-01 12:00:00.5+02")), "2020-01-01 10:00:00.5+00");
        assert_eq!(Timestamp::from_text("2020-01-01 12:00:00+02"), None);
        assert_eq!(TimestampTz::from_text("2020-01-01 12:00:00"), None);
    }

    #[test]
    fn fixed_values_are_what_is_documented() {
        assert_eq!(text(&Date(0).redacted()), "1970-01-01");
        assert_eq!(text(&Timestamp(0).redacted()), "1970-01-01 00:00:00");
        assert_eq!(text(&TimestampTz(0).redacted()), "1970-01-01 00:00:00+00");
    }

    proptest! {
        #[test]
        fn both_formats_read_back(days in -2_451_545..2_145_031_949_i32, micros in -200_000_000_000_000_000..9_000_000_000_000_000_000_i64) {
            prop_assert_eq!(Date::from_text(&text(&Date(days))), Some(Date(days)));
            prop_assert_eq!(Timestamp::from_text(&text(&Timestamp(micros))), Some(Timestamp(micros)));
            prop_assert_eq!(TimestampTz::from_text(&text(&TimestampTz(micros))), Some(TimestampTz(micros)));
        }

        #[test]
        fn tokens_are_other_days_of_the_token_range(days: i32, micros: i64) {
            let token = Date(days).tokenised(&tokens());
            prop_assert_ne!(token, Date(days));
            prop_assert!(("1925-01-01".to_owned().."2025-01-01".to_owned()).contains(&text(&token)));
            let token = Timestamp(micros).tokenised(&tokens());
            prop_assert_ne!(token.0.div_euclid(MICROS_A_DAY), micros.div_euclid(MICROS_A_DAY));
            prop_assert!(("1925".to_owned().."2025".to_owned()).contains(&text(&token)));
        }
    }
}
