//! The values that scenarios pass around, as text.

use std::fmt;
use std::rc::Rc;

use super::error::Error;

/// What a function returns, a promise holds, a statement traces.
#[derive(Clone, Debug)]
pub enum Value {
    /// Python's `None`.
    None,
    /// A truth value, as `cancel` answers it.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string.
    Text(Rc<str>),
    /// What a gather gives.
    List(Vec<Value>),
    /// An error that was caught and stored: gather's `return_exceptions`.
    Error(Error),
}

/// What a coroutine comes to.
pub type Outcome = Result<Value, Error>;

impl Value {
    /// The value, or the error as a value.
    pub fn of_outcome(outcome: Outcome) -> Value {
        outcome.unwrap_or_else(Value::Error)
    }

    /// A list of names.
    pub fn names<'a>(names: impl IntoIterator<Item = &'a Rc<str>>) -> Value {
        Value::List(names.into_iter().cloned().map(Value::Text).collect())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("none"),
            Value::Bool(truth) => truth.fmt(f),
            Value::Int(number) => number.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    let separator = if place == 0 { "" } else { "," };
                    write!(f, "{separator}{value}")?;
                }
                f.write_str("]")
            }
            Value::Error(error) => write!(f, "!{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_the_traces_have_them() {
        let list = Value::List(vec![
            Value::None,
            Value::Bool(true),
            Value::Int(-7),
            Value::Text("v1".into()),
            Value::List(Vec::new()),
            Value::Error(Error::KEY_ERROR),
        ]);
        assert_eq!(list.to_string(), "[none,true,-7,v1,[],!KeyError]");
    }
}
