//! The expansions, compared token by token.

use proc_macro2::TokenStream;
use quote::quote;

use super::{main, test};

#[test]
fn main_runs_itself_and_gives_an_exit_code() {
    let expanded = main(quote!(), quote! { async fn main() { work().await } });
    let wanted = quote! {
        fn main() -> ::std::process::ExitCode {
            async fn main() { work().await }
            ::ouroloop::__private::run_main(::ouroloop::__private::MainOptions::new(), main(),)
        }
    };
    assert_same(expanded, wanted);
}

#[test]
fn main_keeps_its_return_type_inside_and_its_attributes_and_visibility_outside() {
    let expanded = main(
        quote!(debug = true),
        quote! {
            /// The program.
            #[allow(unused)]
            pub(crate) async fn main() -> io::Result<()> { Ok(()) }
        },
    );
    let wanted = quote! {
        /// The program.
        #[allow(unused)]
        pub(crate) fn main() -> ::std::process::ExitCode {
            async fn main() -> io::Result<()> { Ok(()) }
            ::ouroloop::__private::run_main(
                ::ouroloop::__private::MainOptions::new().debug(true),
                main(),
            )
        }
    };
    assert_same(expanded, wanted);
}

#[test]
fn a_test_keeps_its_attributes_in_order_behind_that_of_the_harness() {
    let expanded = test(
        quote!(),
        quote! {
            /// Why.
            #[should_panic(expected = "x")]
            #[ignore]
            #[cfg(unix)]
            async fn fails() { panic!("x") }
        },
    );
    let wanted = quote! {
        #[::core::prelude::v1::test]
        /// Why.
        #[should_panic(expected = "x")]
        #[ignore]
        #[cfg(unix)]
        fn fails() {
            async fn fails() { panic!("x") }
            ::ouroloop::__private::run_test(::ouroloop::__private::TestOptions::new(), fails(),)
        }
    };
    assert_same(expanded, wanted);
}

#[test]
fn a_test_returns_what_its_function_returns() {
    for (options, call) in [
        (quote!(start_paused), quote!(.start_paused(true))),
        (quote!(start_paused = false), quote!(.start_paused(false))),
    ] {
        let expanded = test(
            options,
            quote! { async fn t() -> Result<(), E> { Err(E)? } },
        );
        let wanted = quote! {
            #[::core::prelude::v1::test]
            fn t() -> Result<(), E> {
                async fn t() -> Result<(), E> { Err(E)? }
                ::ouroloop::__private::run_test(
                    ::ouroloop::__private::TestOptions::new() #call,
                    t(),
                )
            }
        };
        assert_same(expanded, wanted);
    }
}

#[test]
fn a_test_with_seeds_hands_over_its_function() {
    for (options, calls) in [
        (quote!(seeds = 100), quote!(.seeds(100u64))),
        (
            quote!(seed = 7, start_paused),
            quote!(.seed(7u64).start_paused(true)),
        ),
    ] {
        let expanded = test(options, quote! { async fn t() {} });
        let wanted = quote! {
            #[::core::prelude::v1::test]
            fn t() {
                async fn t() {}
                ::ouroloop::__private::explore_test(
                    ::ouroloop::__private::TestOptions::new() #calls,
                    t,
                )
            }
        };
        assert_same(expanded, wanted);
    }
}

#[test]
fn a_function_that_is_not_async_is_told_how_to_be() {
    assert_errors(
        main(quote!(), quote! { fn main() {} }),
        &["`#[ouroloop::main]` needs an async function: write `async fn main()`"],
    );
}

#[test]
fn a_function_with_arguments_is_refused() {
    assert_errors(
        test(quote!(), quote! { async fn t(x: u8) {} }),
        &["`t` has arguments, but `#[ouroloop::test]` has nothing to pass"],
    );
}

#[test]
fn a_generic_function_is_refused() {
    let message = "`t` is generic, but `#[ouroloop::test]` cannot choose its parameters";
    assert_errors(test(quote!(), quote! { async fn t<T>() {} }), &[message]);
}

#[test]
fn a_function_that_needs_care_to_be_called_is_refused() {
    let function = "async unsafe extern \"C\" fn main() {}".parse().unwrap();
    assert_errors(
        main(quote!(), function),
        &[
            "`#[ouroloop::main]` calls a safe function only",
            "`#[ouroloop::main]` calls a function of Rust's own ABI only",
        ],
    );
}

#[test]
fn main_is_the_only_function_that_is_main() {
    assert_errors(
        main(quote!(), quote! { async fn start() {} }),
        &["`#[ouroloop::main]` is for the function `main`: elsewhere call `ouroloop::run(...)`"],
    );
}

#[test]
fn an_option_of_the_other_attribute_is_unknown() {
    assert_errors(
        main(quote!(start_paused), quote! { async fn main() {} }),
        &["unknown option `start_paused`: `#[ouroloop::main]` takes `debug = bool`"],
    );
    assert_errors(
        test(quote!(debug = true), quote! { async fn t() {} }),
        &["unknown option `debug`: `#[ouroloop::test]` takes \
           `start_paused` or `start_paused = bool`, `seed = number`, `seeds = number`"],
    );
}

#[test]
fn errors_of_the_function_and_of_the_options_come_together() {
    let expanded = main(quote!(x), quote! { fn main(a: u8) {} });
    assert_eq!(messages(&expanded).len(), 3);
}

#[test]
fn a_function_with_an_error_is_kept_inside_of_one_with_its_name() {
    let expanded = main(quote!(), quote! { fn main() { body() } }).to_string();
    let kept = quote! {
        #[allow(dead_code)]
        fn main() {
            fn main() { body() }
        }
    };
    assert!(expanded.ends_with(&kept.to_string()), "{expanded}");
}

#[test]
fn what_is_no_function_is_kept_beside_the_error() {
    let expanded = main(quote!(), quote! { struct Main; });
    assert_eq!(messages(&expanded).len(), 1);
    assert!(messages(&expanded)[0].ends_with("`#[ouroloop::main]` goes on an `async fn`"));
    assert!(expanded.to_string().ends_with("struct Main ;"));
}

#[track_caller]
fn assert_same(expanded: TokenStream, wanted: TokenStream) {
    assert_eq!(expanded.to_string(), wanted.to_string());
}

#[track_caller]
fn assert_errors(expanded: TokenStream, wanted: &[&str]) {
    assert_eq!(messages(&expanded), wanted);
}

/// The texts of the `compile_error!`s in an expansion.
fn messages(expanded: &TokenStream) -> Vec<String> {
    let text = expanded.to_string();
    let parts = text.split("compile_error ! { \"").skip(1);
    parts
        .filter_map(|part| Some(part.split_once("\" }")?.0.to_owned()))
        .collect()
}
