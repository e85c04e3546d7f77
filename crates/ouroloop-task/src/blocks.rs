//! The memory of cells: blocks of a few sizes, kept for the next cell of the same size.
//!
//! A program makes the same few kinds of tasks and promises again and again, and a block that was
//! just freed is still in the processor's cache. Each loop keeps its own, and gives them back to the
//! allocator when it is closed; a cell that outlives its loop goes to the allocator directly.
//!
//! # Invariants
//!
//! - A block in a list is of that list's size, was allocated with the layout of its class, and
//!   nobody else has a pointer to it. Its first word is the link to the next one.
//! - A closed loop keeps none.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// The steps in which sizes grow, and the alignment of all blocks.
const GRAIN: usize = 16;

/// Sizes are rounded up to so much less than a multiple of the grain. That is what glibc's allocator keeps before each
/// block, whose own sizes are such multiples: nothing is left between two blocks. (glibc, `malloc/malloc.c`: "Minimum
/// overhead per allocated chunk".)
const OVERHEAD: usize = 8;

/// Larger blocks are not kept.
const KEPT_SIZE_MAX: usize = 32 * GRAIN - OVERHEAD;

const CLASSES: usize = class_of(KEPT_SIZE_MAX) + 1;

/// Blocks of a size that are kept at most: 2 MiB of the largest.
const KEPT_MAX: u32 = 4096;

pub(crate) struct Blocks {
    lists: [List; CLASSES],
    /// Blocks of a kind that are kept at most: none once the loop is closed.
    kept_max: Cell<u32>,
}

struct List {
    first: Cell<Option<NonNull<Free>>>,
    len: Cell<u32>,
}

/// A block that is not in use.
struct Free {
    next: Option<NonNull<Free>>,
}

/// How blocks of a type are allocated.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    layout: Layout,
    /// The list that they are kept in, or `NOT_KEPT`.
    class: usize,
}

const NOT_KEPT: usize = usize::MAX;

impl Kind {
    /// That of blocks for a `T`, which is not of size zero.
    pub(crate) const fn of<T>() -> Kind {
        // Miri sees a use after the end only if the end is one.
        Kind::with(Layout::new::<T>(), !cfg!(miri))
    }

    const fn with(layout: Layout, may_be_kept: bool) -> Kind {
        let fits = layout.size() <= KEPT_SIZE_MAX && layout.align() <= GRAIN && layout.size() > 0;
        let class = if fits && may_be_kept {
            class_of(layout.size())
        } else {
            NOT_KEPT
        };
        Kind { layout, class }
    }
}

const fn class_of(size: usize) -> usize {
    (size + OVERHEAD).div_ceil(GRAIN)
}

/// What the blocks of a class are allocated with.
fn class_layout(class: usize) -> Layout {
    Layout::from_size_align(class * GRAIN - OVERHEAD, GRAIN).expect("it is small")
}

impl Blocks {
    pub(crate) const fn new() -> Blocks {
        Blocks {
            lists: [const {
                List {
                    first: Cell::new(None),
                    len: Cell::new(0),
                }
            }; CLASSES],
            kept_max: Cell::new(KEPT_MAX),
        }
    }

    /// Gives a block of this kind.
    #[inline]
    pub(crate) fn allocate(&self, kind: Kind) -> NonNull<u8> {
        let Some(list) = self.lists.get(kind.class) else {
            return allocate_from_system(kind.layout);
        };
        let Some(block) = list.first.get() else {
            return allocate_from_system(class_layout(kind.class));
        };
        // SAFETY: a block in a list is not in use, and has its link in its first word.
        let next = unsafe { block.as_ref() }.next;
        list.first.set(next);
        list.len.set(list.len.get() - 1);
        block.cast()
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// It came from `allocate` of this or another `Blocks` with the same kind, and is not in use any more.
    #[inline]
    pub(crate) unsafe fn free(&self, block: NonNull<u8>, kind: Kind) {
        let list = match self.lists.get(kind.class) {
            Some(list) if list.len.get() < self.kept_max.get() => list,
            // SAFETY: as for this function.
            _ => return unsafe { free_to_system(block, kind) },
        };
        let block = block.cast::<Free>();
        let next = list.first.get();
        // SAFETY: a block is at least of the size and alignment of a grain, which a link fits, and
        // nobody uses it.
        unsafe { block.write(Free { next }) };
        list.first.set(Some(block));
        list.len.set(list.len.get() + 1);
    }

    /// Gives all that is kept back to the allocator, and keeps nothing from now on.
    pub(crate) fn close(&self) {
        self.kept_max.set(0);
        for (class, list) in self.lists.iter().enumerate() {
            list.len.set(0);
            let mut next = list.first.take();
            while let Some(block) = next {
                // SAFETY: a block in a list is not in use, and has its link in its first word.
                next = unsafe { block.as_ref() }.next;
                // SAFETY: it was allocated with the layout of its class, and is in no list any more.
                unsafe { dealloc(block.as_ptr().cast(), class_layout(class)) };
            }
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.close();
    }
}

#[cold]
fn allocate_from_system(layout: Layout) -> NonNull<u8> {
    // SAFETY: the caller's layout is not of size zero.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives a block back to the allocator.
///
/// # Safety
///
/// It is of this kind, and not in use any more.
#[cold]
unsafe fn free_to_system(block: NonNull<u8>, kind: Kind) {
    let layout = match kind.class {
        NOT_KEPT => kind.layout,
        class => class_layout(class),
    };
    // SAFETY: this is the layout with which `allocate` allocates blocks of this kind.
    unsafe { dealloc(block.as_ptr(), layout) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T>() -> Kind {
        Kind::with(Layout::new::<T>(), true)
    }

    #[test]
    fn a_block_has_the_room_that_its_kind_needs() {
        for size in 1..=KEPT_SIZE_MAX {
            let layout = class_layout(class_of(size));
            assert!(layout.size() >= size && layout.size() < size + GRAIN);
            // The link of a block that is not in use.
            assert!(layout.size() >= size_of::<Free>());
        }
        assert_eq!(class_of(KEPT_SIZE_MAX), CLASSES - 1);
    }

    #[test]
    fn a_freed_block_serves_the_next_of_its_size() {
        let blocks = Blocks::new();
        let (small, large) = (kind::<[u64; 4]>(), kind::<[u64; 100]>());
        let first = blocks.allocate(small);
        let other = blocks.allocate(large);
        // SAFETY: from above, of this kind, and not used.
        unsafe { blocks.free(first, small) };
        // SAFETY: as above.
        unsafe { blocks.free(other, large) };
        // 32 and 40 bytes are of one class.
        let second = blocks.allocate(kind::<[u64; 5]>());
        assert_eq!(second, first);
        // SAFETY: as above.
        unsafe { blocks.free(second, kind::<[u64; 5]>()) };
        blocks.close();
        assert!(blocks.lists.iter().all(|list| list.first.get().is_none()));
        let late = blocks.allocate(small);
        // SAFETY: as above.
        unsafe { blocks.free(late, small) };
        assert!(blocks.lists.iter().all(|list| list.first.get().is_none()));
    }
}
