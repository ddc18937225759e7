//! A write to several tables as one statement: it happens whole or not at all, in one round trip.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Type};

/// Steps that run one after another, with their parameters. The first is called `first` by the others.
pub(super) struct WriteStatement {
    arguments: PgArguments,
    refused: Option<BoxDynError>,
    steps: Vec<Step>,
}

struct Step {
    text: String,
    rows: usize,
}

impl WriteStatement {
    pub(super) fn new() -> Self {
        Self { arguments: PgArguments::default(), refused: None, steps: Vec::new() }
    }

    /// Adds a parameter; returns its place as the text of a step has it.
    pub(super) fn bind<'a, T>(&mut self, value: T) -> String
    where
        T: Encode<'a, Postgres> + Type<Postgres>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.refused.get_or_insert(error);
        }
        format!("${}", self.arguments.len())
    }

    /// Adds a step, which writes or reads `rows` rows if all goes well.
    pub(super) fn step(&mut self, text: String, rows: usize) {
        self.steps.push(Step { text, rows });
    }

    /// Makes the rows of the first step decide, whatever the others find.
    pub(super) fn count_first(&mut self) {
        if let [first, _, ..] = &self.steps[..] {
            self.step("SELECT FROM first".to_owned(), first.rows);
        }
    }

    /// Whether the last step wrote or read what it should; it must depend on what the first one did.
    /// The first gives `returning` to the others.
    ///
    /// # Errors
    /// The driver's.
    pub(super) async fn run(self, returning: &str, connection: &mut PgConnection) -> sqlx::Result<bool> {
        if let Some(error) = self.refused {
            return Err(sqlx::Error::Encode(error));
        }
        let rows = self.steps.last().map_or(0, |step| step.rows);
        let text = text(&self.steps, returning);
        let done = sqlx::query_with(AssertSqlSafe(text), self.arguments).execute(connection).await?;
        Ok(usize::try_from(done.rows_affected()) == Ok(rows))
    }
}

/// All steps but the last are common table expressions.
fn text(steps: &[Step], returning: &str) -> String {
    let Some((last, before)) = steps.split_last() else { return String::new() };
    let mut text = String::new();
    for (at, step) in before.iter().enumerate() {
        match at {
            0 => text.push_str(&format!("WITH first AS ({} RETURNING {returning})", step.text)),
            at => text.push_str(&format!(", s{at} AS ({})", step.text)),
        }
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(&last.text);
    text
}
