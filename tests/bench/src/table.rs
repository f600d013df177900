//! The figures, as a table for people and as JSON for scripts.

use serde::Serialize;

/// One figure: what was measured, its aim, and whether it was met.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) aim: Option<Aim>,
}

#[derive(Debug, Serialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(crate) fn plain(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            aim: None,
        }
    }
    pub(crate) fn at_most(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: f64,
    ) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            aim: Some(Aim::AtMost(aim)),
        }
    }
    pub(crate) fn at_least(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: f64,
    ) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            aim: Some(Aim::AtLeast(aim)),
        }
    }
    fn met(&self) -> Option<bool> {
        self.aim.map(|aim| match aim {
            Aim::AtMost(bound) => self.value <= bound,
            Aim::AtLeast(bound) => self.value >= bound,
        })
    }
}

/// Renders all figures, one a line.
pub(crate) fn render(figures: &[Figure]) -> String {
    let width = figures
        .iter()
        .map(|figure| figure.name.len())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for figure in figures {
        let aim = match figure.aim {
            None => String::new(),
            Some(Aim::AtMost(bound)) => format!("at most {bound}"),
            Some(Aim::AtLeast(bound)) => format!("at least {bound}"),
        };
        let met = match figure.met() {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        let line = format!(
            "{:width$}  {:>12}  {:<12}  {:<18} {}",
            figure.name,
            number(figure.value),
            figure.unit,
            aim,
            met
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn number(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
