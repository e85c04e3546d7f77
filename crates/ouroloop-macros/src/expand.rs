//! From an `async fn` to the function that runs it.
//!
//! The `async fn` is kept whole, as an item inside of the one that takes its place. So `return`,
//! `?` and every type are the compiler's own, and an error in the body is shown where it is
//! written. Attributes and visibility move to the outer function: the test harness looks for them
//! there, and lints that they allow hold for what is inside too.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, ItemFn, ReturnType, Visibility};

use crate::options::{self, Given, Kind, Known};

/// Expands `#[ouroloop::main]`.
pub fn main(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(&MAIN, options, function, |function, given, outside| {
        if function.sig.ident != "main" {
            return Err(Error::new(
                function.sig.ident.span(),
                "`#[ouroloop::main]` is for the function `main`: \
                 elsewhere call `ouroloop::run(...)`",
            ));
        }
        let (attributes, visibility) = (&outside.attributes, &outside.visibility);
        let given = given.iter().map(method);
        // A type that no program may end with is reported where it is written.
        let future = match &function.sig.output {
            ReturnType::Default => quote!(main()),
            ReturnType::Type(_, output) => quote_spanned!(output.span()=> main()),
        };
        Ok(quote! {
            #(#attributes)*
            #visibility fn main() -> ::std::process::ExitCode {
                #function
                ::ouroloop::__private::run_main(
                    ::ouroloop::__private::MainOptions::new() #(#given)*,
                    #future,
                )
            }
        })
    })
}

/// Expands `#[ouroloop::test]`.
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(&TEST, options, function, |function, given, outside| {
        let (attributes, visibility) = (&outside.attributes, &outside.visibility);
        let (name, output) = (&function.sig.ident, &function.sig.output);
        let seeded = |option: &Given| option.name == "seed" || option.name == "seeds";
        if given.iter().any(seeded) {
            // The function itself, to be called for each seed.
            let given = given.iter().map(method);
            return Ok(quote! {
                #[::core::prelude::v1::test]
                #(#attributes)*
                #visibility fn #name() #output {
                    #function
                    ::ouroloop::__private::explore_test(
                        ::ouroloop::__private::TestOptions::new() #(#given)*,
                        #name,
                    )
                }
            });
        }
        let given = given.iter().map(method);
        Ok(quote! {
            #[::core::prelude::v1::test]
            #(#attributes)*
            #visibility fn #name() #output {
                #function
                ::ouroloop::__private::run_test(
                    ::ouroloop::__private::TestOptions::new() #(#given)*,
                    #name(),
                )
            }
        })
    })
}

/// What is said about an attribute in its errors, and the options that it takes.
struct Macro {
    attribute: &'static str,
    known: &'static [Known],
}

/// What of the function moves to the one that takes its place.
struct Outside {
    attributes: Vec<Attribute>,
    visibility: Visibility,
}

/// Checks the function and the options, and reports everything that is wrong with them at once.
///
/// `build` gets the function without what belongs outside, the options, and what belongs outside.
fn expand(
    attribute: &Macro,
    options: TokenStream,
    tokens: TokenStream,
    build: impl FnOnce(&ItemFn, &[Given], &Outside) -> Result<TokenStream, Error>,
) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(tokens.clone()) {
        Ok(function) => function,
        Err(error) => {
            let help = format!("{error}: `{}` goes on an `async fn`", attribute.attribute);
            let error = Error::new(error.span(), help).into_compile_error();
            return quote!(#error #tokens);
        }
    };
    let outside = Outside {
        attributes: std::mem::take(&mut function.attrs),
        visibility: std::mem::replace(&mut function.vis, Visibility::Inherited),
    };
    let given = options::parse(attribute.attribute, attribute.known, options);
    let built = match (check(attribute.attribute, &function), given) {
        (Ok(()), Ok(given)) => build(&function, &given, &outside),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            Err(error)
        }
        (Err(error), Ok(_)) | (Ok(()), Err(error)) => Err(error),
    };
    built.unwrap_or_else(|error| fallback(&function, &error))
}

fn method(option: &Given) -> TokenStream {
    let (name, value) = (&option.name, option.value);
    quote!(.#name(#value))
}

/// Whether the function can be run by a loop: async, and complete without anything from outside.
fn check(attribute: &str, function: &ItemFn) -> Result<(), Error> {
    let signature = &function.sig;
    let generics = &signature.generics;
    let name = &signature.ident;
    let mut wrong: Vec<(&dyn ToTokens, String)> = Vec::new();
    if signature.asyncness.is_none() {
        let message = format!("`{attribute}` needs an async function: write `async fn {name}()`");
        wrong.push((&signature.fn_token, message));
    }
    if !signature.inputs.is_empty() {
        let message = format!("`{name}` has arguments, but `{attribute}` has nothing to pass");
        wrong.push((&signature.inputs, message));
    }
    if !generics.params.is_empty() || generics.where_clause.is_some() {
        let message =
            format!("`{name}` is generic, but `{attribute}` cannot choose its parameters");
        wrong.push((generics, message));
    }
    if let Some(token) = &signature.unsafety {
        wrong.push((token, format!("`{attribute}` calls a safe function only")));
    }
    if let Some(abi) = &signature.abi {
        wrong.push((
            abi,
            format!("`{attribute}` calls a function of Rust's own ABI only"),
        ));
    }
    let errors = wrong
        .into_iter()
        .map(|(tokens, message)| Error::new_spanned(tokens, message));
    let combined = errors.reduce(|mut errors, error| {
        errors.combine(error);
        errors
    });
    combined.map_or(Ok(()), Err)
}

/// The errors, with the function kept for the editor and a function of its name around it, so that
/// the compiler does not also complain that there is none.
fn fallback(function: &ItemFn, error: &Error) -> TokenStream {
    let (name, errors) = (&function.sig.ident, error.to_compile_error());
    quote! {
        #errors
        #[allow(dead_code)]
        fn #name() {
            #function
        }
    }
}

const MAIN: Macro = Macro {
    attribute: "#[ouroloop::main]",
    known: &[Known {
        name: "debug",
        kind: Kind::Bool,
    }],
};
const TEST: Macro = Macro {
    attribute: "#[ouroloop::test]",
    known: &[
        Known {
            name: "start_paused",
            kind: Kind::Flag,
        },
        Known {
            name: "seed",
            kind: Kind::Number,
        },
        Known {
            name: "seeds",
            kind: Kind::Number,
        },
    ],
};

#[cfg(test)]
mod tests;
