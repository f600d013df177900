//! The allocator of a plugin: an arena first, `memory.grow` only past it.
//!
//! Owns: memory for the length of one step. Every call runs in a fresh instance, so nothing is
//! ever given back, except that the newest block may grow or go in place, which is what a string
//! under construction does. Growing the memory costs the host two mprotect calls an instance that
//! serialise all steps of the process (three to five times the throughput), so the arena lies in
//! the memory the component starts with.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};

/// Four times what a step of the largest shipped plugin takes for a usual reply.
const ARENA_BYTES: usize = 512 * 1024;

/// A page of wasm memory.
const PAGE_BYTES: usize = 64 * 1024;

#[repr(align(16))]
struct Bytes(UnsafeCell<[u8; ARENA_BYTES]>);

/// A bump allocator. Sound only where there is one thread, which is all a plugin has.
struct Arena {
    bytes: Bytes,
    /// The free range, as addresses; both zero before the first allocation.
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: the interface's components are single-threaded (the host switches the threads proposal
// off), so no two threads ever share the arena.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena {
    bytes: Bytes(UnsafeCell::new([0; ARENA_BYTES])),
    next: Cell::new(0),
    end: Cell::new(0),
};

impl Arena {
    /// The start of `size` bytes at `align`, or 0 if memory is exhausted.
    fn take(&self, size: usize, align: usize) -> usize {
        if self.end.get() == 0 {
            let start = self.bytes.0.get() as usize;
            self.next.set(start);
            self.end.set(start + ARENA_BYTES);
        }
        let start = self.next.get().next_multiple_of(align);
        match start.checked_add(size) {
            Some(next) if next <= self.end.get() => {
                self.next.set(next);
                start
            }
            Some(_) => self.grow(size, align),
            None => 0,
        }
    }

    /// Continues in fresh pages; what was left of the range before is given up unless the pages
    /// follow it directly.
    fn grow(&self, size: usize, align: usize) -> usize {
        let Some(wanted) = size.checked_add(align) else {
            return 0;
        };
        let pages = wanted.div_ceil(PAGE_BYTES);
        let before = core::arch::wasm32::memory_grow(0, pages);
        if before == usize::MAX {
            return 0;
        }
        let start = before * PAGE_BYTES;
        if start != self.end.get() {
            self.next.set(start);
        }
        // The very last page of a 4 GiB memory ends at an address that does not exist.
        self.end.set(start.saturating_add(pages * PAGE_BYTES));
        self.take(size, align)
    }
}

// SAFETY: `take` gives each range out once, inside the arena or inside pages this allocator grew,
// aligned as asked; only the newest block is ever shortened or lengthened.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align()) as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = block as usize;
        if start + layout.size() == self.next.get() {
            self.next.set(start);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block as usize;
        if start + layout.size() == self.next.get() {
            if let Some(next) = start.checked_add(size)
                && next <= self.end.get()
            {
                self.next.set(next);
                return block;
            }
        } else if size <= layout.size() {
            return block;
        }
        let moved = self.take(size, layout.align()) as *mut u8;
        if !moved.is_null() {
            // SAFETY: the new block was just taken and does not overlap the old one, which holds
            // `layout.size()` bytes.
            unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
        }
        moved
    }
}
