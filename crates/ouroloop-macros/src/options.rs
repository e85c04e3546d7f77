//! The options in the parentheses of an attribute: names with values of true or false.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, Token};

/// An option that an attribute knows.
pub struct Known {
    /// Its name, which is also that of the method that takes it at run time.
    pub name: &'static str,
    /// Whether the name alone means `true`.
    pub flag: bool,
}

impl Known {
    fn usage(&self) -> String {
        let bare = if self.flag {
            format!("`{}` or ", self.name)
        } else {
            String::new()
        };
        format!("{bare}`{} = bool`", self.name)
    }
}

/// An option that was given.
pub struct Given {
    /// Its name, at its place in the source.
    pub name: Ident,
    /// What it was set to.
    pub value: bool,
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
        match self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Bool(value),
                ..
            })) => Ok(Given {
                name: self.name,
                value: value.value,
            }),
            Some(other) => {
                let message = format!("option `{name}` is either `true` or `false`");
                Err(Error::new(other.span(), message))
            }
            None if known_as.flag => Ok(Given {
                name: self.name,
                value: true,
            }),
            None => error(format!(
                "option `{name}` needs a value: write {}",
                known_as.usage()
            )),
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
            [("fast", true), ("debug", false)]
        );
        assert_eq!(
            given(quote!(debug = true, fast = false,)),
            [("debug", true), ("fast", false)]
        );
        assert_eq!(given(quote!()), []);
    }

    #[test]
    fn an_unknown_option_is_told_which_there_are() {
        let message = "unknown option `flavor`: `#[a]` takes `debug = bool`, \
                       `fast` or `fast = bool`";
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
            flag: false,
        },
        Known {
            name: "fast",
            flag: true,
        },
    ];

    fn given(tokens: TokenStream) -> Vec<(&'static str, bool)> {
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
