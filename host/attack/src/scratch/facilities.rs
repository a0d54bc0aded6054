//! What attempts need beyond tables: rights and extensions, each set up for itself, so that a server or an administrator
//! that lacks one can still be tried with the rest.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::attempt::Facility;
use crate::session::Session;

/// A facility that could not be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) facility: Facility,
    /// What the server said.
    pub(crate) why: String,
}

/// Sets all of them up in the session's database for the role `login`, and tells what cannot be.
pub(super) async fn set_up<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<S>,
    login: &str,
    password: &str,
) -> Vec<Missing> {
    let mut missing = Vec::new();
    for facility in Facility::ALL {
        if let Err(error) = session.run(&statements(facility, login, password)).await {
            missing.push(Missing { facility, why: error.to_string() });
        }
    }
    missing
}

/// What must succeed for the facility to be there.
fn statements(facility: Facility, login: &str, password: &str) -> String {
    match facility {
        Facility::Tables => "SELECT 1".to_owned(),
        Facility::Merge => needs_version(150_000),
        Facility::JsonTable => needs_version(170_000),
        Facility::ReturningOld => needs_version(180_000),
        Facility::LargeObjects => format!(
            "GRANT SELECT ON pg_catalog.pg_largeobject TO {login};
             GRANT EXECUTE ON FUNCTION pg_catalog.lo_export(oid, text) TO {login};"
        ),
        Facility::ServerFiles => format!(
            "GRANT pg_read_server_files, pg_write_server_files TO {login};
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO {login};
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO {login};"
        ),
        Facility::Programs => format!("GRANT pg_execute_server_program TO {login}"),
        Facility::Statistics => format!("GRANT pg_read_all_stats TO {login}"),
        Facility::OtherRole => format!("GRANT pg_read_all_data TO {login}"),
        Facility::Dblink => format!(
            "CREATE EXTENSION dblink;
             {}
             CREATE USER MAPPING FOR {login} SERVER itself OPTIONS (user '{login}', password '{password}');
             GRANT USAGE ON FOREIGN SERVER itself TO {login};
             SET ROLE {login};
             SELECT * FROM dblink('itself', 'SELECT 1') AS answer(one integer);
             RESET ROLE",
            server("itself", "dblink_fdw")
        ),
        Facility::ForeignTables => format!(
            "CREATE EXTENSION postgres_fdw;
             {}
             CREATE USER MAPPING FOR {login} SERVER mirror OPTIONS (user '{login}', password '{password}');
             CREATE FOREIGN TABLE people_remote (id integer, ssn text) SERVER mirror
                 OPTIONS (schema_name 'public', table_name 'people');
             GRANT SELECT ON people_remote TO {login};
             GRANT USAGE ON FOREIGN SERVER mirror TO {login};
             SET ROLE {login};
             SELECT count(*) FROM people_remote;
             RESET ROLE",
            server("mirror", "postgres_fdw")
        ),
    }
}

fn needs_version(version: u32) -> String {
    // Fails where the version is too low: there is no other way to say it in one statement.
    format!("SELECT 1 / (current_setting('server_version_num')::int >= {version})::int")
}

/// A foreign server that is this very database, reached as the server itself listens.
fn server(name: &str, wrapper: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('CREATE SERVER {name} FOREIGN DATA WRAPPER {wrapper} \
             OPTIONS (host %L, port %L, dbname %L)', host(inet_server_addr()), inet_server_port(), current_database()); END $$;"
    )
}
