//! A tutorial's page as what a reader does: commands, statements with the answers shown below them, and what is changed by
//! language. Prose is not understood.

use anyhow::ensure;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A line of a block of `sh`, without its comment.
    Run(String),
    /// A block of `sql`, and the first line of the block of `text` behind it.
    Ask { statement: String, answer: String },
    /// A row of the table that says what to change.
    Change { language: String, file: String, line: String, becomes: String },
    /// The heading that says to stop.
    Stop,
}

/// The acts of a page, in order.
///
/// # Errors
/// A statement has no answer below it, or there is nothing to do.
pub(crate) fn read(page: &str) -> anyhow::Result<Vec<Act>> {
    let mut acts = Vec::new();
    let mut asked: Option<String> = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let statement = asked.take();
            match (kind, statement) {
                ("sh", None) => acts.extend(block.iter().map(|line| Act::Run(without_comment(line)))),
                ("sql", None) => asked = Some(block.join("\n")),
                ("text", Some(statement)) => {
                    let answer = block.first().copied().unwrap_or_default().to_owned();
                    acts.push(Act::Ask { statement, answer });
                }
                (_, None) => {}
                (_, Some(statement)) => anyhow::bail!("no answer is shown to {statement}"),
            }
        } else if line.starts_with("## ") && line.ends_with(" Stop") {
            acts.push(Act::Stop);
        } else {
            acts.extend(change(line));
        }
    }
    ensure!(asked.is_none() && !acts.is_empty(), "the page ends with a statement, or has nothing to do");
    Ok(acts)
}

fn without_comment(line: &str) -> String {
    line.split(" # ").next().unwrap_or_default().trim_end().to_owned()
}

/// A row of four cells, all of them code.
fn change(line: &str) -> Option<Act> {
    let cells: Option<Vec<String>> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .map(|cell| Some(cell.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .collect();
    let [language, file, line, becomes] = <[String; 4]>::try_from(cells?).ok()?;
    Some(Act::Change { language, file, line, becomes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_what_is_done() {
        let page = "# Title\n\nprose\n\n```sh\ncd x\ngrille a .   # what it does\n```\n\n```sql\nSELECT 1;\n```\n\n\
                    ```text\n1\n2\n```\n\n```text\nmore\n```\n\n| a | b |\n|---|---|\n| `rust` | `f` | `x` | `y` |\n\
                    | `rust` | `cargo test` |\n| --lang | file | the line | becomes |\n## 6. Stop\n";
        let expected = [
            Act::Run("cd x".to_owned()),
            Act::Run("grille a .".to_owned()),
            Act::Ask { statement: "SELECT 1;".to_owned(), answer: "1".to_owned() },
            Act::Change {
                language: "rust".to_owned(),
                file: "f".to_owned(),
                line: "x".to_owned(),
                becomes: "y".to_owned(),
            },
            Act::Stop,
        ];
        assert_eq!(read(page).expect("a page"), expected);
    }

    #[test]
    fn a_statement_without_an_answer_is_refused() {
        assert!(read("```sql\nSELECT 1;\n```\n").is_err());
        assert!(read("```sql\nSELECT 1;\n```\n```sh\nls\n```\n").is_err());
        assert!(read("prose").is_err());
    }
}
