//! One variable of a context, and the token that undoes a `set`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Context, Value, current_or_new, current_value};
use crate::LoopError;

/// A variable whose value depends on the current context: Python's `contextvars.ContextVar`.
///
/// Make it a `static`; a `const` would be another variable at each use.
///
/// # Examples
///
/// ```
/// use ouroloop::{ContextVar, create_task};
///
/// static DEPTH: ContextVar<u32> = ContextVar::with_default("depth", 0);
///
/// ouroloop::run(async {
///     DEPTH.set(3);
///     let child = create_task(async {
///         DEPTH.set(DEPTH.get_or(0) + 1); // in the child's own copy
///         DEPTH.get()
///     });
///     assert_eq!(child.await.unwrap(), Some(4));
///     assert_eq!(DEPTH.get(), Some(3));
/// })?;
/// assert_eq!(DEPTH.get(), Some(0));
/// # Ok::<(), ouroloop::RunError>(())
/// ```
pub struct ContextVar<T> {
    name: &'static str,
    default: Option<T>,
    /// Zero until the variable is first used.
    key: AtomicU64,
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// Makes a variable without a default value. The name is for messages.
    pub const fn new(name: &'static str) -> ContextVar<T> {
        ContextVar {
            name,
            default: None,
            key: AtomicU64::new(0),
        }
    }

    /// Makes a variable that has `default` wherever it was not set.
    pub const fn with_default(name: &'static str, default: T) -> ContextVar<T> {
        ContextVar {
            name,
            default: Some(default),
            key: AtomicU64::new(0),
        }
    }

    /// Sets the variable in the current context. The token can restore what was there before.
    pub fn set(&self, value: T) -> ContextToken<T> {
        let context = current_or_new();
        let key = self.key();
        let before = context.replace(key, Some(Arc::new(value)));
        ContextToken {
            key,
            context,
            before,
            value: PhantomData,
        }
    }

    /// Restores the value that the variable had before the `set` that made `token`.
    ///
    /// # Errors
    ///
    /// [`LoopError::TokenOfOtherVariable`] and [`LoopError::TokenOfOtherContext`] if the token was
    /// made elsewhere; nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::ContextVar;
    ///
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    ///
    /// USER.set("ada");
    /// let token = USER.set("bob");
    /// USER.reset(token)?;
    /// assert_eq!(USER.get(), Some("ada"));
    /// # Ok::<(), ouroloop::LoopError>(())
    /// ```
    pub fn reset(&self, token: ContextToken<T>) -> Result<(), LoopError> {
        if token.key != self.key() {
            return Err(LoopError::TokenOfOtherVariable);
        }
        if !current_or_new().same_as(&token.context) {
            return Err(LoopError::TokenOfOtherContext);
        }
        token.context.replace(token.key, token.before);
        Ok(())
    }

    /// Gives the value in the current context, else the default.
    pub fn get(&self) -> Option<T> {
        self.get_set().or_else(|| self.default.clone())
    }

    /// Gives the value in the current context, else that of [`with_default`](Self::with_default), else `default`.
    pub fn get_or(&self, default: T) -> T {
        self.get().unwrap_or(default)
    }

    /// Gives the name that the variable was made with.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn key(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let key = self.key.load(Ordering::Relaxed);
        if key != 0 {
            return key;
        }
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        // Two threads may race for the first use; whoever comes second takes the winner's key.
        match self
            .key
            .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => fresh,
            Err(winner) => winner,
        }
    }

    fn get_set(&self) -> Option<T> {
        current_value(self.key())?.downcast_ref::<T>().cloned()
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVar")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Remembers what a variable was before a `set`, for [`ContextVar::reset`]: Python's `contextvars.Token`.
///
/// # Examples
///
/// ```
/// use ouroloop::{ContextToken, ContextVar};
///
/// static DEPTH: ContextVar<u32> = ContextVar::with_default("depth", 0);
///
/// let token: ContextToken<u32> = DEPTH.set(3);
/// assert_eq!(token.old_value(), None);
/// DEPTH.reset(token)?;
/// assert_eq!(DEPTH.get(), Some(0));
/// # Ok::<(), ouroloop::LoopError>(())
/// ```
#[doc(alias = "Token")]
pub struct ContextToken<T> {
    key: u64,
    context: Context,
    before: Option<Value>,
    value: PhantomData<fn() -> T>,
}

impl<T: Clone + 'static> ContextToken<T> {
    /// Gives the value before the `set`; `None` if the variable had none.
    pub fn old_value(&self) -> Option<T> {
        self.before.as_ref()?.downcast_ref::<T>().cloned()
    }
}

impl<T> fmt::Debug for ContextToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextToken")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_goes_back_to_unset() {
        let var = ContextVar::new("var");
        Context::new().run(|| {
            let token = var.set(1);
            assert_eq!(token.old_value(), None);
            var.reset(token).unwrap();
            assert_eq!(var.get(), None);
            assert_eq!(var.get_or(7), 7);
        });
    }

    #[test]
    fn a_token_works_only_where_it_was_made() {
        let var = ContextVar::new("var");
        let other = ContextVar::new("other");
        Context::new().run(|| {
            let token = var.set(1);
            assert!(matches!(
                other.reset(token),
                Err(LoopError::TokenOfOtherVariable)
            ));
            let token = var.set(2);
            assert_eq!(token.old_value(), Some(1));
            let elsewhere = Context::new().run(|| var.reset(token));
            assert!(matches!(elsewhere, Err(LoopError::TokenOfOtherContext)));
            assert_eq!(var.get(), Some(2));
        });
    }

    #[test]
    fn a_value_that_reads_its_variable_while_it_is_dropped_finds_no_lock_held() {
        static VAR: ContextVar<Arc<Nosy>> = ContextVar::new("nosy");
        struct Nosy(u32);
        impl Drop for Nosy {
            fn drop(&mut self) {
                assert_ne!(VAR.get().map(|nosy| nosy.0), Some(self.0));
            }
        }
        Context::new().run(|| {
            VAR.set(Arc::new(Nosy(1)));
            drop(VAR.set(Arc::new(Nosy(2))));
        });
    }
}
