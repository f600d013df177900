//! PostgreSQL and SQLite behind one face: a query with bound parameters gives rows of texts.

use super::queries::parameters;
use super::settings::Settings;
use futures_util::TryStreamExt;
use postern_login::error::StoreError;
use postern_login::ports::DirectoryError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, PgPool, Row, SqlitePool, TypeInfo, ValueRef};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A connection that is idle for so long is given up.
const IDLE_MAX: Duration = Duration::from_secs(300);

pub(super) struct Database {
    /// What the operator calls the store.
    name: String,
    settings: Settings,
    /// Made when it is first needed: a database that is down keeps nobody's host from starting.
    pool: OnceCell<Pool>,
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

enum Options {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

/// A value for a parameter.
#[derive(Clone)]
pub(super) enum Bound {
    Text(String),
    Null,
    Number(i64),
}

impl Bound {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// No text of a database holds one; some refuse the whole query for it.
    fn has_nul(&self) -> bool {
        matches!(self, Self::Text(text) if text.contains('\0'))
    }

    pub(super) fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// Statements of one purpose and their values.
pub(super) struct Step<'a> {
    pub(super) statements: &'a [String],
    pub(super) values: Vec<Bound>,
}

/// Column names, lower case, and their values.
#[derive(Clone, Default)]
pub(super) struct Line(pub(super) Vec<(String, Option<String>)>);

impl Line {
    pub(super) fn take(&mut self, column: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| name == column)?;
        self.0.swap_remove(at).1
    }
}

/// What came of writing.
pub(super) enum Written {
    /// Rows changed by each step.
    Rows(Vec<u64>),
    /// There is such a row already.
    Taken,
}

impl Database {
    pub(super) fn new(name: &str, settings: Settings) -> Result<Self, StoreError> {
        let database = Self {
            name: name.to_owned(),
            settings,
            pool: OnceCell::new(),
        };
        database.options().map(drop)?;
        Ok(database)
    }

    fn options(&self) -> Result<Options, StoreError> {
        let url = self.settings.url.as_str();
        // The error may quote the address, and the password in it.
        let unreadable = || {
            StoreError::new(format!(
                "user store `{}`: its address cannot be read: expected `postgres://user:password@host/database` or `sqlite:///path`",
                self.name
            ))
        };
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(|_| unreadable())?;
            return Ok(Options::Sqlite(Box::new(
                options
                    .create_if_missing(false)
                    .read_only(self.settings.read_only)
                    .busy_timeout(self.settings.answer),
            )));
        }
        if !(url.starts_with("postgres:") || url.starts_with("postgresql:")) {
            return Err(unreadable());
        }
        let mut options = PgConnectOptions::from_str(url).map_err(|_| unreadable())?;
        if let Some(pem) = &self.settings.ca_pem {
            options = options
                .ssl_root_cert_from_pem(pem.clone())
                .ssl_mode(PgSslMode::VerifyFull);
        }
        let millis = self.settings.answer.as_millis().to_string();
        let mut given = vec![("statement_timeout", millis.as_str())];
        if self.settings.read_only {
            given.push(("default_transaction_read_only", "on"));
        }
        Ok(Options::Postgres(Box::new(
            options.application_name("postern").options(given),
        )))
    }

    async fn pool(&self) -> Result<&Pool, StoreError> {
        self.pool
            .get_or_try_init(|| async {
                let (size, connect) = (self.settings.pool_size, self.settings.connect);
                Ok(match self.options()? {
                    Options::Postgres(options) => Pool::Postgres(
                        PgPoolOptions::new()
                            .max_connections(size)
                            .acquire_timeout(connect)
                            .idle_timeout(IDLE_MAX)
                            .connect_lazy_with(*options),
                    ),
                    Options::Sqlite(options) => Pool::Sqlite(
                        SqlitePoolOptions::new()
                            .max_connections(size)
                            .acquire_timeout(connect)
                            .idle_timeout(IDLE_MAX)
                            .connect_lazy_with(*options),
                    ),
                })
            })
            .await
    }

    /// At most `rows_max` rows; what is beyond is not read.
    pub(super) async fn rows(
        &self,
        query: &str,
        values: &[Bound],
        rows_max: usize,
    ) -> Result<Vec<Line>, DirectoryError> {
        let values = values.get(..parameters(query)).unwrap_or(values);
        if values.iter().any(Bound::has_nul) {
            return Ok(Vec::new());
        }
        let pool = self.pool().await?;
        let reading = async {
            let mut lines = Vec::new();
            macro_rules! read {
                ($pool:expr, $line:expr) => {{
                    let mut asked = sqlx::query(AssertSqlSafe(query));
                    for value in values {
                        asked = match value {
                            Bound::Text(text) => asked.bind(text.as_str()),
                            Bound::Null => asked.bind(None::<&str>),
                            Bound::Number(number) => asked.bind(*number),
                        };
                    }
                    let mut rows = asked.fetch($pool);
                    while lines.len() < rows_max {
                        match rows.try_next().await? {
                            Some(row) => lines.push($line(&row)?),
                            None => break,
                        }
                    }
                }};
            }
            match pool {
                Pool::Postgres(pool) => read!(pool, postgres_line),
                Pool::Sqlite(pool) => read!(pool, sqlite_line),
            }
            Ok::<_, sqlx::Error>(lines)
        };
        match tokio::time::timeout(self.patience(), reading).await {
            Ok(Ok(lines)) => Ok(lines),
            Ok(Err(error)) => Err(self.fault(error)),
            Err(_) => Err(self.late()),
        }
    }

    /// All steps in one transaction, or none.
    pub(super) async fn write(&self, steps: &[Step<'_>]) -> Result<Written, DirectoryError> {
        if steps
            .iter()
            .flat_map(|step| &step.values)
            .any(Bound::has_nul)
        {
            return Err(DirectoryError::Refused("a value holds a NUL".to_owned()));
        }
        let pool = self.pool().await?;
        let writing = async {
            let mut counts = Vec::new();
            macro_rules! write {
                ($begun:expr) => {{
                    let mut transaction = $begun.await?;
                    for step in steps {
                        let mut count = 0;
                        for statement in step.statements {
                            let used = parameters(statement);
                            let values = step.values.get(..used).unwrap_or(&step.values);
                            let mut asked = sqlx::query(AssertSqlSafe(statement.as_str()));
                            for value in values {
                                asked = match value {
                                    Bound::Text(text) => asked.bind(text.as_str()),
                                    Bound::Null => asked.bind(None::<&str>),
                                    Bound::Number(number) => asked.bind(*number),
                                };
                            }
                            count += asked.execute(&mut *transaction).await?.rows_affected();
                        }
                        counts.push(count);
                    }
                    transaction.commit().await?;
                }};
            }
            match pool {
                Pool::Postgres(pool) => write!(pool.begin()),
                // Asked for at once: one that reads first and writes then may lose its turn for good.
                Pool::Sqlite(pool) => write!(pool.begin_with("BEGIN IMMEDIATE")),
            }
            Ok::<_, sqlx::Error>(counts)
        };
        match tokio::time::timeout(self.patience(), writing).await {
            Ok(Ok(counts)) => Ok(Written::Rows(counts)),
            Ok(Err(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                Ok(Written::Taken)
            }
            Ok(Err(error)) => Err(self.fault(error)),
            Err(_) => Err(self.late()),
        }
    }

    /// To get a connection and an answer.
    fn patience(&self) -> Duration {
        self.settings.connect + self.settings.answer
    }

    fn fault(&self, error: sqlx::Error) -> DirectoryError {
        match error {
            sqlx::Error::Database(error) if error.is_check_violation() => {
                DirectoryError::Refused(format!("user store `{}`: {}", self.name, error.message()))
            }
            error => StoreError::caused(
                format!("the database of user store `{}` failed", self.name),
                error,
            )
            .into(),
        }
    }

    fn late(&self) -> DirectoryError {
        StoreError::new(format!(
            "the database of user store `{}` did not answer within {:?}",
            self.name,
            self.patience()
        ))
        .into()
    }
}

fn postgres_line(row: &PgRow) -> Result<Line, sqlx::Error> {
    let mut line = Line::default();
    for column in row.columns() {
        let at = column.ordinal();
        let kind = row.try_get_raw(at)?.type_info().name().to_owned();
        let value = match kind.as_str() {
            "BOOL" => row.try_get::<Option<bool>, _>(at)?.map(|v| v.to_string()),
            "INT2" => row.try_get::<Option<i16>, _>(at)?.map(|v| v.to_string()),
            "INT4" => row.try_get::<Option<i32>, _>(at)?.map(|v| v.to_string()),
            "INT8" => row.try_get::<Option<i64>, _>(at)?.map(|v| v.to_string()),
            // Others than texts are refused by name: a cast in the query makes them one.
            _ => row.try_get::<Option<String>, _>(at)?,
        };
        line.0.push((column.name().to_ascii_lowercase(), value));
    }
    Ok(line)
}

fn sqlite_line(row: &SqliteRow) -> Result<Line, sqlx::Error> {
    let mut line = Line::default();
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info().name().to_owned();
        let value = match kind.as_str() {
            _ if raw.is_null() => None,
            "INTEGER" | "BOOLEAN" => Some(row.try_get_unchecked::<i64, _>(at)?.to_string()),
            _ => row.try_get::<Option<String>, _>(at)?,
        };
        line.0.push((column.name().to_ascii_lowercase(), value));
    }
    Ok(line)
}
