//! The options in the parentheses of an attribute: names with values of true or false, or numbers.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, Token};

/// An option that an attribute knows.
pub struct Known {
    /// Its name, which is also that of the method that takes it at run time.
    pub name: &'static str,
    /// What it may be set to.
    pub kind: Kind,
}

/// What an option may be set to.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// True or false, and the name alone is true.
    Flag,
    /// A number that fits in 64 bits, without a sign.
    Number,
}

impl Known {
    fn usage(&self) -> String {
        let name = self.name;
        match self.kind {
            Kind::Bool => format!("`{name} = bool`"),
            Kind::Flag => format!("`{name}` or `{name} = bool`"),
            Kind::Number => format!("`{name} = number`"),
        }
    }
}

/// An option that was given.
pub struct Given {
    /// Its name, at its place in the source.
    pub name: Ident,
    /// What it was set to.
    pub value: Value,
}

/// What an option was set to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(u64),
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Value::Bool(value) => value.to_tokens(tokens),
            Value::Number(value) => value.to_tokens(tokens),
        }
    }
}

/// Reads the options, of which each may be given once.
///
/// # Errors
///
/// One error for each option that is unknown, given twice, or without a value that it needs.
pub fn parse(attribute: &str, known: &[Known], tokens: TokenStream) -> Result<Vec<Given>, Error> {
    let written = Punctuated::<Written, Token![,]>::parse_terminated.parse2(tokens)?;
    let mut given: Vec<Given> = Vec::new();
    let mut errors: Option<Error> = None;
    for option in written {
        match option.check(attribute, known, &given) {
            Ok(option) => given.push(option),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    errors.map_or(Ok(given), Err)
}

/// An option as it was written: `name` or `name = value`.
struct Written {
    name: Ident,
    value: Option<Expr>,
}

impl Written {
    fn check(self, attribute: &str, known: &[Known], given: &[Given]) -> Result<Given, Error> {
        let error = |message: String| Err(Error::new(self.name.span(), message));
        let name = self.name.to_string();
        let Some(known_as) = known.iter().find(|option| self.name == option.name) else {
            let usages: Vec<_> = known.iter().map(Known::usage).collect();
            let usages = usages.join(", ");
            return error(format!(
                "unknown option `{name}`: `{attribute}` takes {usages}"
            ));
        };
        if given.iter().any(|option| option.name == self.name) {
            return error(format!(
                "option `{name}` is given twice: remove one of them"
            ));
        }
        let Some(value) = self.value else {
            return match known_as.kind {
                Kind::Flag => Ok(Given {
                    name: self.name,
                    value: Value::Bool(true),
                }),
                Kind::Bool | Kind::Number => error(format!(
                    "option `{name}` needs a value: write {}",
                    known_as.usage()
                )),
            };
        };
        match known_as.kind.read(&value) {
            Some(value) => Ok(Given {
                name: self.name,
                value,
            }),
            None => {
                let message = format!("option `{name}` is {}", known_as.kind.describe());
                Err(Error::new(value.span(), message))
            }
        }
    }
}

impl Kind {
    fn read(self, value: &Expr) -> Option<Value> {
        let Expr::Lit(ExprLit { lit, .. }) = value else {
            return None;
        };
        match (self, lit) {
            (Kind::Bool | Kind::Flag, Lit::Bool(value)) => Some(Value::Bool(value.value)),
            (Kind::Number, Lit::Int(value)) => value.base10_parse().ok().map(Value::Number),
            _ => None,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Kind::Bool | Kind::Flag => "either `true` or `false`",
            Kind::Number => "a number from 0 to 18446744073709551615",
        }
    }
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> Result<Written, Error> {
        let name: Ident = input.parse()?;
        if !input.peek(Token![=]) {
            return Ok(Written { name, value: None });
        }
        input.parse::<Token![=]>()?;
        Ok(Written {
            name,
            value: Some(input.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn options_are_read_in_their_order() {
        assert_eq!(
            given(quote!(fast, debug = false)),
            [("fast", Value::Bool(true)), ("debug", Value::Bool(false))]
        );
        assert_eq!(
            given(quote!(debug = true, fast = false,)),
            [("debug", Value::Bool(true)), ("fast", Value::Bool(false))]
        );
        assert_eq!(given(quote!()), []);
    }

    #[test]
    fn an_unknown_option_is_told_which_there_are() {
        let message = "unknown option `flavor`: `#[a]` takes `debug = bool`, \
                       `fast` or `fast = bool`, `size = number`";
        assert_eq!(errors(quote!(flavor = true)), [message]);
    }

    #[test]
    fn an_option_given_twice_is_an_error() {
        let message = "option `fast` is given twice: remove one of them";
        assert_eq!(errors(quote!(fast, fast = true)), [message]);
    }

    #[test]
    fn an_option_that_is_no_flag_needs_its_value() {
        assert_eq!(
            errors(quote!(debug)),
            ["option `debug` needs a value: write `debug = bool`"]
        );
    }

    #[test]
    fn a_value_is_true_or_false() {
        let message = "option `debug` is either `true` or `false`";
        assert_eq!(errors(quote!(debug = 1)), [message]);
        assert_eq!(errors(quote!(debug = "true")), [message]);
    }

    #[test]
    fn a_number_is_one_in_any_spelling_and_nothing_else() {
        for tokens in [
            quote!(size = 42),
            quote!(size = 0x2a),
            quote!(size = 4_2u64),
        ] {
            assert_eq!(given(tokens), [("size", Value::Number(42))]);
        }
        let message = "option `size` is a number from 0 to 18446744073709551615";
        let beyond = quote!(size = 18446744073709551616);
        for tokens in [
            quote!(size = true),
            quote!(size = -1),
            quote!(size = 1 + 1),
            beyond,
        ] {
            assert_eq!(errors(tokens), [message]);
        }
        assert_eq!(
            errors(quote!(size)),
            ["option `size` needs a value: write `size = number`"]
        );
    }

    #[test]
    fn a_value_that_is_left_out_is_an_error_of_syntax() {
        let message = "unexpected end of input, expected an expression";
        assert_eq!(errors(quote!(debug =)), [message]);
    }

    #[test]
    fn every_wrong_option_is_reported() {
        assert_eq!(errors(quote!(x = "a", debug, y, fast = 0)).len(), 4);
    }

    #[test]
    fn what_is_no_option_at_all_is_an_error() {
        assert_eq!(errors(quote!("debug")), ["expected identifier"]);
    }

    const KNOWN: &[Known] = &[
        Known {
            name: "debug",
            kind: Kind::Bool,
        },
        Known {
            name: "fast",
            kind: Kind::Flag,
        },
        Known {
            name: "size",
            kind: Kind::Number,
        },
    ];

    fn given(tokens: TokenStream) -> Vec<(&'static str, Value)> {
        let given = parse("#[a]", KNOWN, tokens).unwrap();
        let known = |option: &Given| KNOWN.iter().find(|known| option.name == known.name);
        given
            .iter()
            .map(|option| (known(option).unwrap().name, option.value))
            .collect()
    }

    fn errors(tokens: TokenStream) -> Vec<String> {
        let Err(errors) = parse("#[a]", KNOWN, tokens) else {
            panic!("no error")
        };
        errors.into_iter().map(|error| error.to_string()).collect()
    }
}
