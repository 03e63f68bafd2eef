//! `fmaf` for WebAssembly, rounded twice.
//!
//! WebAssembly has no fused multiply-add (`f32::mul_add`, IEEE 754-2019, section 5.4.1). The filter bank and the biquads use it
//! for speed, but the standard library emulates it with doubles, which took an eighth of this crate's processing time. The second
//! rounding adds an error below the resolution of the product.
#![allow(unsafe_code, reason = "exports the symbol by which the compiler finds the function")]

#[unsafe(no_mangle)]
extern "C" fn fmaf(x: f32, y: f32, z: f32) -> f32 {
    x * y + z
}
