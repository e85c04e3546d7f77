//! The variables of a scenario: one flat name space.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ouroloop::{Handle, TaskGroup, Timeout, TimerHandle};

use super::error::Error;
use super::primitives::Primitive;
use super::program::Name;
use super::waitable::Waitable;

/// What a variable can hold.
#[derive(Clone)]
pub enum Variable {
    Waitable(Rc<Waitable>),
    Handle(Handle),
    Timer(TimerHandle),
    Timeout(Timeout),
    Group(TaskGroup),
    Primitive(Primitive),
}

/// All variables by name.
#[derive(Default)]
pub struct Vars {
    current: RefCell<HashMap<Name, Variable>>,
    /// What has no name any more. Others may wait for it, and Python would keep it for them.
    replaced: RefCell<Vec<Variable>>,
}

impl Vars {
    /// Gives a variable a value.
    pub fn set(&self, name: &Name, variable: Variable) {
        let before = self.current.borrow_mut().insert(name.clone(), variable);
        self.replaced.borrow_mut().extend(before);
    }

    /// The same with something that can be awaited.
    pub fn set_waitable(&self, name: &Name, waitable: Waitable) {
        self.set(name, Variable::Waitable(Rc::new(waitable)));
    }

    /// The first of these names that has no value yet.
    pub fn first_missing<'a>(&self, names: &'a [Name]) -> Option<&'a Name> {
        let current = self.current.borrow();
        names.iter().find(|name| !current.contains_key(*name))
    }

    /// The value of a variable.
    ///
    /// # Errors
    ///
    /// KeyError if there is none.
    pub fn get(&self, name: &Name) -> Result<Variable, Error> {
        let variable = self.current.borrow().get(name).cloned();
        variable.ok_or(Error::KEY_ERROR)
    }

    /// The value of a variable that can be awaited.
    ///
    /// # Errors
    ///
    /// `otherwise` if it is something else.
    pub fn waitable(&self, name: &Name, otherwise: Error) -> Result<Rc<Waitable>, Error> {
        match self.get(name)? {
            Variable::Waitable(waitable) => Ok(waitable),
            _ => Err(otherwise),
        }
    }

    /// The value of a variable that has the methods of a future.
    ///
    /// # Errors
    ///
    /// AttributeError if it has not.
    pub fn future(&self, name: &Name) -> Result<Rc<Waitable>, Error> {
        self.waitable(name, Error::ATTRIBUTE_ERROR)
    }

    /// The value of a variable that is a lock, a queue or the like.
    ///
    /// # Errors
    ///
    /// `otherwise` if it is something else.
    pub fn primitive(&self, name: &Name, otherwise: Error) -> Result<Primitive, Error> {
        match self.get(name)? {
            Variable::Primitive(primitive) => Ok(primitive),
            _ => Err(otherwise),
        }
    }

    /// The value of a variable that is a task group.
    ///
    /// # Errors
    ///
    /// AttributeError if it is none.
    pub fn group(&self, name: &Name) -> Result<TaskGroup, Error> {
        match self.get(name)? {
            Variable::Group(group) => Ok(group),
            _ => Err(Error::ATTRIBUTE_ERROR),
        }
    }

    /// The value of a variable that is a timeout.
    ///
    /// # Errors
    ///
    /// AttributeError if it is none.
    pub fn timeout(&self, name: &Name) -> Result<Timeout, Error> {
        match self.get(name)? {
            Variable::Timeout(timeout) => Ok(timeout),
            _ => Err(Error::ATTRIBUTE_ERROR),
        }
    }

    /// Forgets everything, so that nothing outlives the run by a circle of references.
    pub fn clear(&self) {
        let current = self.current.take();
        let replaced = self.replaced.take();
        drop((current, replaced));
    }
}
