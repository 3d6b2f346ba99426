//! A message, taken apart: no input may panic, and what is stored must be read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_message::{Derived, DerivedView, MimeLimits};

fuzz_target!(|raw: &[u8]| {
    let derived = Derived::of(raw, &MimeLimits::default());
    let stored = derived.encode();
    let view = DerivedView::parse(&stored).expect("what was stored can be read");
    assert_eq!(view.envelope(), derived.envelope.as_slice());
    assert_eq!(view.body_structure(), derived.body_structure.as_slice());
});
