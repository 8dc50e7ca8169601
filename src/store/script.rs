//! Statements that travel to the database together. sqlx has a thread for each connection, and the way there and back
//! costs as much as a dozen rows; so what a batch writes, the `COMMIT` included, goes there at once.

use sqlx::sqlite::SqliteArguments;
use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Encode, Executor as _, Row as _, Sqlite,
    SqliteConnection, Type,
};
use tokio_stream::StreamExt as _;

use super::sql::of_rows::{OfRows, STATEMENT_ROWS_MAX};

/// A transaction's first statement. A read that turns into a write inside a deferred transaction would fail at once.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Statements and their parameters, each a `?` of its own.
#[derive(Default)]
pub(super) struct Script {
    text: String,
    arguments: SqliteArguments,
    statements: usize,
}

impl Script {
    /// One that begins a transaction.
    pub(super) fn that_begins() -> Self {
        let mut script = Self::default();
        script.add(BEGIN);
        script
    }

    /// Adds a statement; its parameters are to be [bound](Self::bind) next.
    pub(super) fn add(&mut self, statement: &str) -> &mut Self {
        if !self.text.is_empty() {
            self.text.push(';');
        }
        self.text.push_str(statement);
        self.statements += 1;
        self
    }

    /// How many statements there are, which is the place of the next.
    pub(super) fn statements(&self) -> usize {
        self.statements
    }

    /// Adds the end of the transaction.
    pub(super) fn commit(&mut self) -> &mut Self {
        self.add(COMMIT)
    }

    pub(super) fn bind<'t, T>(&mut self, value: T) -> Result<&mut Self, sqlx::Error>
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Adds a statement whose one parameter is a JSON array, unless that is empty.
    pub(super) fn array<T: serde::Serialize>(
        &mut self,
        statement: &str,
        values: &[T],
    ) -> Result<(), sqlx::Error> {
        if !values.is_empty() {
            self.add(statement).bind(serde_json::json!(values).to_string())?;
        }
        Ok(())
    }

    /// Adds a statement for `rows`, each of whose columns `bind` binds in their order.
    ///
    /// There are statements for a few numbers of rows, so that they stay prepared; what is missing to the next of them
    /// is NULL, and changes nothing.
    pub(super) fn rows<T>(
        &mut self,
        statement: &OfRows,
        rows: &[T],
        mut bind: impl FnMut(&mut Self, &T) -> Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        for rows in rows.chunks(STATEMENT_ROWS_MAX) {
            let (text, places) = statement.text(rows.len());
            self.add(text);
            self.arguments.reserve(statement.columns * places, 0);
            for row in rows {
                bind(self, row)?;
            }
            for _ in 0..statement.columns * (places - rows.len()) {
                self.bind(None::<i64>)?;
            }
        }
        Ok(())
    }

    /// Executes it all. After an error nothing of what follows is.
    pub(super) async fn execute(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if self.text.is_empty() {
            return Ok(());
        }
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        query.execute(connection).await.map(drop)
    }

    /// The same, and returns of each statement how many rows it has written (of one that writes none it is anything), and
    /// the number that the last row begins with that any of them gave.
    pub(super) async fn execute_counting(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<(Vec<u64>, Option<i64>), sqlx::Error> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        let mut done = connection.fetch_many(query);
        let (mut counts, mut number) = (Vec::with_capacity(self.statements), None);
        while let Some(step) = done.next().await {
            match step? {
                Either::Left(done) => counts.push(done.rows_affected()),
                Either::Right(row) => number = Some(row.try_get(0)?),
            }
        }
        Ok((counts, number))
    }

    /// Executes it all, and returns the row of the last statement, which gives one.
    pub(super) async fn fetch_one(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<sqlx::sqlite::SqliteRow, sqlx::Error> {
        let query = sqlx::query_with(AssertSqlSafe(self.text), self.arguments);
        query.fetch_one(connection).await
    }
}

/// Undoes what a transaction has done that failed, and hands on what came of it.
pub(super) async fn undone_unless_ok<T>(
    connection: &mut SqliteConnection,
    outcome: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    if outcome.is_err() {
        // It fails where the database has undone it already, or the connection is broken and is given up.
        drop(sqlx::query(ROLLBACK).execute(connection).await);
    }
    outcome
}
