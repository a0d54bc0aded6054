//! Vectors of a real pgvector: a role from which they are withheld searches by similarity and never sees one, nor what is
//! computed from one; a role that gets them gets them unchanged.

use std::sync::LazyLock;

use grille_e2e::Stage;
use grille_harness::{Endpoint, Ran, policy, sample};

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let plugin = policy::plugin("pii", "pii", "").expect("the plugin is built");
    let stage = Stage::with_vectors(&(ROLES.to_owned() + &plugin)).expect("the stage is set");
    stage.application.direct.psql_strict(DOCUMENTS).and_then(Ran::ok).expect("tables");
    stage
});

const ROLES: &str = r#"
[[role]]
name = "searcher"
groups = ["searchers"]
upstreams = ["demo"]
statements = ["read", "write", "define", "copy", "transaction", "session"]
policies = []
detectors = []
vectors = "withhold"

[[role]]
name = "guesser"
groups = ["guessers"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
vectors = "withhold"
row_shaping = "allow"

[[role]]
name = "reader"
groups = ["readers"]
upstreams = ["demo"]
statements = ["read", "write", "transaction", "session"]
policies = []
detectors = ["pii"]
vectors = "return"

"#;

/// Each component is near 7, so that its first digits cannot be mistaken for a key, a distance or a sum.
const DOCUMENTS: &str = "
CREATE TABLE documents (id int PRIMARY KEY, tenant int, title text,
    embedding vector(3), half halfvec(3), sparse sparsevec(5));
INSERT INTO documents SELECT n, n % 4, 'title ' || n, v, v::halfvec, format('{1:%s}/5', 7 + n / 400.0)::sparsevec
    FROM (SELECT n, ARRAY[7 + sin(n) / 10, 7 + cos(n) / 10, 7 + n / 400.0]::real[]::vector(3) AS v FROM generate_series(1, 40) n) s;
INSERT INTO documents VALUES (41, 1, 'title 41', NULL, NULL, NULL);
CREATE VIEW titled AS SELECT id, title, embedding AS e FROM documents;
CREATE TABLE notes (note text);
CREATE TABLE written (id int PRIMARY KEY, title text, embedding vector(3));
";

fn searcher() -> anyhow::Result<Endpoint> {
    STAGE.member_of("searchers")
}

/// The first digits of every component of every vector, as they show in text.
static FRAGMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let read =
        "SELECT trim(both '[]' from embedding::text) FROM documents WHERE embedding IS NOT NULL AND id <= 40";
    let vectors = STAGE.application.direct.psql_strict(read).and_then(Ran::ok).expect("vectors");
    let components = vectors.lines().flat_map(|vector| vector.split(','));
    components.map(|component| component.chars().take(5).collect()).collect()
});

fn assert_nothing_of_a_vector(statement: &str, said: &str) {
    for fragment in FRAGMENTS.iter() {
        assert!(!said.contains(fragment), "{fragment} of a vector after {statement}: {said}");
    }
}

#[test]
fn a_vector_is_null_whatever_is_done_to_it() -> anyhow::Result<()> {
    let seen = STAGE.application.direct.psql_strict("SELECT embedding FROM documents")?.ok()?;
    assert!(FRAGMENTS.iter().all(|fragment| seen.contains(fragment)), "what is looked for can be seen");
    let check = |statement: &str, expected: &str| -> anyhow::Result<()> {
        let said = searcher()?.psql_strict(&format!("\\pset null NULL\n{statement}"))?.ok()?;
        assert_nothing_of_a_vector(statement, &said);
        assert_eq!(said.trim_end(), expected, "{statement}");
        Ok(())
    };
    check("SELECT embedding FROM documents WHERE id = 1", "NULL")?;
    check("SELECT half, sparse FROM documents WHERE id = 1", "NULL|NULL")?;
    check("SELECT id, embedding, title FROM documents WHERE id = 1", "1|NULL|title 1")?;
    check("SELECT e FROM titled WHERE id = 1", "NULL")?;
    check("SELECT coalesce(embedding, '[1,2,3]') FROM documents WHERE id = 41", "NULL")?;
    check("SELECT (SELECT embedding FROM documents WHERE id = 2)", "NULL")?;
    check("WITH d AS (SELECT * FROM documents) SELECT embedding FROM d WHERE id = 1", "NULL")?;
    check("UPDATE documents SET title = title WHERE id = 1 RETURNING embedding", "NULL")?;
    check("PREPARE p AS SELECT embedding FROM documents WHERE id = 1; EXECUTE p", "NULL")?;
    check(
        "BEGIN; DECLARE c CURSOR FOR SELECT embedding FROM documents WHERE id = 1; FETCH c; ROLLBACK",
        "NULL",
    )?;
    check("COPY (SELECT id, embedding FROM documents WHERE id = 1) TO STDOUT", "1\t\\N")?;
    Ok(())
}

/// What is computed from a vector. Where that fails for some values the statement may be refused: then nothing is computed.
const EXPRESSIONS: &[&str] = &[
    "embedding::text",
    "embedding::halfvec",
    "ARRAY[embedding]",
    "array_agg(embedding)",
    "embedding::real[]",
    "embedding::text::bytea",
    "'x' || embedding::text",
    "embedding <-> '[0,0,0]'",
    "embedding <=> '[1,0,0]'",
    "embedding <#> '[1,0,0]'",
    "embedding <+> '[1,0,0]'",
    "l2_distance(embedding, '[0,0,0]')",
    "vector_norm(embedding)",
    "vector_dims(embedding)",
    "l2_normalize(embedding)",
    "subvector(embedding, 1, 1)",
    "binary_quantize(embedding)",
    "embedding || embedding",
    "embedding + embedding",
    "avg(embedding)",
    "sum(embedding)::text",
    "max(embedding)",
    "to_jsonb(d)",
    "d",
    "d::text",
    "json_agg(d)",
    "row(d.*)",
    "embedding IS NULL",
    "embedding < '[7,7,7]'",
    "half::text",
    "half::vector::real[]",
    "CASE WHEN embedding > '[7,7,7]' THEN 1 ELSE 0 END",
    "embedding::text::int",
];

/// Prints, for each expression and format, the error or the distinct values of it.
const READ_EXPRESSIONS: &str = r#"
import psycopg
with psycopg.connect("", autocommit=True) as connection:
    for expression in EXPRESSIONS:
        aggregates = expression.startswith(("avg", "sum", "max", "json_agg", "array_agg"))
        query = f"SELECT {expression} FROM documents d" + ("" if aggregates else " WHERE id IN (1, 7, 41)")
        for form in (0, 1):
            result = connection.pgconn.exec_params(query.encode(), None, result_format=form)
            error = result.error_message.decode().split(chr(10))[0]
            values = {result.get_value(row, 0) for row in range(result.ntuples)}
            print(expression, form, error or values, len(values), sep="\t")
"#;

#[test]
fn nothing_computed_from_a_vector_shows() -> anyhow::Result<()> {
    let script = format!("EXPRESSIONS = {EXPRESSIONS:?}\n{READ_EXPRESSIONS}");
    let said = STAGE.python(&script, &searcher()?)?;
    assert_eq!(said.lines().count(), 2 * EXPRESSIONS.len());
    for line in said.lines() {
        assert_nothing_of_a_vector(line, line);
        assert!(line.ends_with("\t1") || line.ends_with("\t0"), "rows can be told apart: {line}");
    }
    Ok(())
}

#[test]
fn vectors_decide_no_rows_but_the_nearest() -> anyhow::Result<()> {
    for statement in [
        "SELECT id FROM documents WHERE embedding <-> '[7,7,7]' < 0.1",
        "SELECT id FROM documents WHERE embedding = '[7,7,7]'",
        "SELECT id FROM documents WHERE embedding > '[7,7,7]'",
        "SELECT id FROM documents WHERE vector_norm(embedding) > 12",
        "SELECT id FROM documents WHERE embedding::text LIKE '[7%'",
        "SELECT count(*) FROM documents GROUP BY embedding",
        "SELECT count(*) FROM documents HAVING max(embedding) > '[7,7,7]'",
        "SELECT DISTINCT embedding FROM documents",
        "SELECT id FROM documents ORDER BY embedding",
        "SELECT id FROM documents ORDER BY vector_norm(embedding)",
        "SELECT id FROM documents ORDER BY embedding <-> (SELECT embedding FROM documents WHERE id = 7)",
        "SELECT a.id FROM documents a JOIN documents b USING (embedding)",
        "SELECT a.id FROM documents a, documents b ORDER BY a.embedding <-> b.embedding",
        "SELECT row_number() OVER (ORDER BY embedding) FROM documents",
        "SELECT unnest(embedding::real[]) FROM documents",
        "DELETE FROM documents WHERE embedding <-> '[7,7,7]' < 0.1",
        "CREATE TABLE copied AS SELECT embedding FROM documents",
        "INSERT INTO notes SELECT embedding::text FROM documents",
        "SELECT embedding INTO copied FROM documents",
        "CREATE UNIQUE INDEX ON documents (embedding)",
    ] {
        let ran = searcher()?.psql(statement)?;
        assert!(ran.stderr.contains("42501"), "{statement}: {}", ran.said());
        assert_nothing_of_a_vector(statement, &ran.said());
    }
    assert_eq!(STAGE.rows_of("documents")?, 41);
    assert_eq!(STAGE.rows_of("notes")?, 0);
    Ok(())
}

#[test]
fn similarity_search_works_while_the_vector_stays_hidden() -> anyhow::Result<()> {
    for statement in [
        "SELECT id, title FROM documents ORDER BY embedding <-> '[7,7.1,7]' LIMIT 5",
        "SELECT id FROM documents ORDER BY embedding <=> '[7,7.1,7]' LIMIT 5",
        "SELECT id FROM documents ORDER BY embedding <#> '[7,7.1,7]'::vector LIMIT 5",
        "SELECT id FROM documents ORDER BY embedding <+> '[7,7.1,7]' LIMIT 5 OFFSET 2",
        "SELECT id FROM documents ORDER BY '[7,7.1,7]' <-> embedding LIMIT 5",
        "SELECT id FROM documents ORDER BY half <-> '[7,7.1,7]' LIMIT 5",
        "SELECT id FROM documents WHERE tenant = 2 ORDER BY embedding <-> '[7,7.1,7]', id LIMIT 3",
        "SELECT d.id, n.note FROM documents d LEFT JOIN notes n ON n.note = d.title ORDER BY d.embedding <-> '[7,7,7]' LIMIT 3",
        "WITH near AS (SELECT id FROM documents ORDER BY embedding <-> '[7,7.1,7]' LIMIT 5) SELECT id FROM near ORDER BY id",
        "SELECT title FROM (SELECT * FROM documents ORDER BY embedding <-> '[7,7.1,7]' LIMIT 5) near ORDER BY id",
        "SELECT id FROM titled ORDER BY e <-> '[7,7,7]' LIMIT 4",
        "SELECT '[1,2,3]'::vector <-> '[4,5,6]'::vector, '[1,2]'::vector, vector_dims('[1,2]'::vector)",
        "SELECT count(*) FROM documents",
        "SET hnsw.ef_search = 100; SELECT id FROM documents ORDER BY embedding <-> '[7,7.1,7]' LIMIT 5",
    ] {
        let direct = STAGE.application.direct.psql_strict(statement)?.ok()?;
        let ran = searcher()?.psql_strict(statement)?;
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (direct.as_str(), ""), "{statement}");
    }
    Ok(())
}

/// A driver that sends what it looks for as a parameter, in text and in binary: `vector_send` writes the number of
/// components, a zero and the components.
const SEARCH_BY_PARAMETER: &str = r#"
import psycopg, struct
wanted = (7.0, 7.1, 7.0)
query = b"SELECT id FROM documents ORDER BY embedding <-> $1::vector LIMIT 5"
binary = struct.pack(">hh3f", 3, 0, *wanted)
with psycopg.connect("") as connection:
    for parameter, form in ((str(list(wanted)).encode(), 0), (binary, 1)):
        for results in (0, 1):
            result = connection.pgconn.exec_params(query, [parameter], param_formats=[form], result_format=results)
            assert result.error_message == b"", result.error_message
            print([result.get_value(row, 0) for row in range(result.ntuples)])
"#;

#[test]
fn similarity_search_by_parameter_works() -> anyhow::Result<()> {
    let direct = STAGE.python(SEARCH_BY_PARAMETER, &STAGE.application.direct)?;
    assert_eq!(direct.lines().count(), 4);
    assert_eq!(STAGE.python(SEARCH_BY_PARAMETER, &searcher()?)?, direct);
    Ok(())
}

#[test]
fn a_role_without_vectors_may_write_them() -> anyhow::Result<()> {
    for statement in [
        "INSERT INTO written VALUES (1, 'new', '[7,7,7]'), (2, 'other', NULL)",
        "UPDATE written SET embedding = '[6,6,6]', title = 'changed' WHERE id = 1",
        "INSERT INTO written (id, embedding) VALUES (2, '[5,5,5]') ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding",
        "COPY written (id, embedding) FROM STDIN;\n3\t[4,4,4]\n\\.",
    ] {
        let ran = searcher()?.psql_strict(&format!("{statement}\n"))?;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{statement}");
    }
    let read = "SELECT id, title, embedding FROM written ORDER BY id";
    let written = STAGE.postgres.sql_admin(sample::DATABASE, read)?;
    assert_eq!(written, "1|changed|[6,6,6]\n2|other|[5,5,5]\n3||[4,4,4]");
    Ok(())
}

/// Rows as they come, in both formats, of all three types and of arrays and composites of them.
const READ_VECTORS: &str = r#"
import psycopg
with psycopg.connect("") as connection:
    for columns in ("embedding, half, sparse", "embedding::text, embedding::real[]", "avg(embedding)", "ARRAY[embedding]"):
        tail = "" if columns.startswith("avg") else " WHERE id IN (1, 2, 41) ORDER BY id"
        for form in (0, 1):
            result = connection.pgconn.exec_params(f"SELECT {columns} FROM documents{tail}".encode(), None, result_format=form)
            assert result.error_message == b"", result.error_message
            for row in range(result.ntuples):
                print(*(result.get_value(row, column) for column in range(result.nfields)), sep="\t")
"#;

#[test]
fn a_role_that_gets_vectors_gets_them_unchanged() -> anyhow::Result<()> {
    let direct = STAGE.python(READ_VECTORS, &STAGE.application.direct)?;
    assert_eq!(STAGE.python(READ_VECTORS, &STAGE.member_of("readers")?)?, direct);
    Ok(())
}

#[test]
fn a_role_that_may_shape_rows_still_sees_no_vector() -> anyhow::Result<()> {
    let guesser = STAGE.member_of("guessers")?;
    let near = "SELECT id FROM documents WHERE embedding <-> '[7,7.1,7]' < 0.1 ORDER BY id";
    assert_eq!(guesser.psql_strict(near)?.ok()?, STAGE.application.direct.psql_strict(near)?.ok()?);
    let said = guesser
        .psql_strict("SELECT embedding, embedding <-> '[7,7,7]' FROM documents ORDER BY embedding")?
        .ok()?;
    assert_nothing_of_a_vector("ORDER BY embedding", &said);
    assert!(said.lines().all(|line| line == "|0"), "{said}");
    Ok(())
}
