//! What a guard keeps of its primitive: a borrow, or a share of it in a place that lives longer.

use std::ops::Deref;
use std::rc::Rc;

pub(crate) enum Held<'a, S> {
    Borrowed(&'a Rc<S>),
    Owned(Rc<S>),
}

impl<S> Held<'_, S> {
    pub(crate) fn to_owned(&self) -> Held<'static, S> {
        Held::Owned(match self {
            Held::Borrowed(shared) => Rc::clone(shared),
            Held::Owned(shared) => shared.clone(),
        })
    }
}

impl<S> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        match self {
            Held::Borrowed(shared) => shared,
            Held::Owned(shared) => shared,
        }
    }
}
