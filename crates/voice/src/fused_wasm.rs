//! Multiplying and adding in WebAssembly, which has no instruction that rounds once for both (`f32::mul_add`, IEEE 754-2019,
//! section 5.4.1). The standard library brings a function that does it by arithmetic on doubles, and an eighth of the voice's time was
//! spent in it: the filter bank and the biquads ask for it, to be quick where there is the instruction. What rounding twice adds is less
//! than a float of the product tells apart.
#![allow(unsafe_code, reason = "only for the name of the function, under which the compiler looks for it")]

#[unsafe(no_mangle)]
extern "C" fn fmaf(x: f32, y: f32, z: f32) -> f32 {
    x * y + z
}
