//! Arithmetic on decimal128 (IEEE 754-2008, 34 digits, round half to even).

mod text;

use bson::Decimal128;

/// Digits of a coefficient.
const DIGITS: u32 = 34;
const EXP_MIN: i32 = -6176;
const EXP_MAX: i32 = 6111;
const BASE: u128 = 10u128.pow(DIGITS);

/// A decimal128 taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decimal {
    NaN,
    Infinity { negative: bool },
    Finite { negative: bool, coefficient: u128, exponent: i32 },
}

/// How `$round`, `$ceil` and their like get rid of digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfEven,
    Truncate,
    Floor,
    Ceiling,
}

impl Decimal {
    pub(crate) fn unpack(value: Decimal128) -> Self {
        let bits = u128::from_le_bytes(value.bytes());
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0x1f {
            0x1f => Self::NaN,
            0x1e => Self::Infinity { negative },
            combination => {
                let large = combination >> 3 == 0b11;
                let shift = if large { 111 } else { 113 };
                let exponent = ((bits >> shift) & 0x3fff) as i32 + EXP_MIN;
                let coefficient = bits & ((1 << 113) - 1);
                // Coefficients beyond 34 digits are not canonical and mean zero.
                let coefficient = if large || coefficient >= BASE { 0 } else { coefficient };
                Self::Finite { negative, coefficient, exponent }
            }
        }
    }

    pub(crate) fn pack(self) -> Decimal128 {
        let sign = |negative: bool| u128::from(negative) << 127;
        let bits = match self {
            Self::NaN => 0x1f << 122,
            Self::Infinity { negative } => sign(negative) | 0x1e << 122,
            Self::Finite { negative, coefficient, exponent } => {
                sign(negative) | ((exponent - EXP_MIN) as u128) << 113 | coefficient
            }
        };
        Decimal128::from_bytes(bits.to_le_bytes())
    }

    pub(crate) fn from_int(value: i128) -> Self {
        Self::Finite { negative: value < 0, coefficient: value.unsigned_abs(), exponent: 0 }
    }

    /// As close to the double as 34 digits allow.
    pub(crate) fn from_double(value: f64) -> Self {
        if value == 0.0 || !value.is_finite() {
            return Self::special(value);
        }
        let Self::Finite { negative, mut coefficient, mut exponent } = Self::scientific(value, 33) else {
            return Self::NaN;
        };
        while exponent < 0 && coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        Self::Finite { negative, coefficient, exponent }
    }

    /// Rounded to the 15 digits every double keeps, as MongoDB's conversion does.
    pub(crate) fn from_double_15(value: f64) -> Self {
        if value == 0.0 || !value.is_finite() { Self::special(value) } else { Self::scientific(value, 14) }
    }

    fn special(value: f64) -> Self {
        if value.is_nan() {
            return Self::NaN;
        }
        let negative = value.is_sign_negative();
        if value == 0.0 {
            Self::Finite { negative, coefficient: 0, exponent: 0 }
        } else {
            Self::Infinity { negative }
        }
    }

    fn scientific(value: f64, decimals: usize) -> Self {
        let text = format!("{:.*e}", decimals, value.abs());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let coefficient = digits.bytes().filter(u8::is_ascii_digit);
        let coefficient = coefficient.fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let exponent = exponent.parse::<i32>().unwrap_or(0) - decimals as i32;
        Self::Finite { negative: value < 0.0, coefficient, exponent }
    }

    pub(crate) fn to_double(self) -> f64 {
        match self {
            Self::NaN => f64::NAN,
            Self::Infinity { negative: true } => f64::NEG_INFINITY,
            Self::Infinity { negative: false } => f64::INFINITY,
            Self::Finite { negative, coefficient, exponent } => {
                let magnitude: f64 = format!("{coefficient}e{exponent}").parse().unwrap_or(f64::NAN);
                if negative { -magnitude } else { magnitude }
            }
        }
    }

    /// The integer part, if it fits; `None` for what is not finite or too large.
    pub(crate) fn to_int(self, rounding: Rounding) -> Option<i64> {
        let Self::Finite { negative, coefficient, exponent } = self.round(0, rounding) else { return None };
        let magnitude = coefficient.checked_mul(10u128.checked_pow(u32::try_from(exponent).ok()?)?);
        let magnitude = if coefficient == 0 { 0 } else { i128::try_from(magnitude?).ok()? };
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Self::NaN)
    }

    pub(crate) fn is_zero(self) -> bool {
        matches!(self, Self::Finite { coefficient: 0, .. })
    }

    pub(crate) fn is_negative(self) -> bool {
        matches!(self, Self::Infinity { negative: true } | Self::Finite { negative: true, .. })
    }

    pub(crate) fn is_finite(self) -> bool {
        matches!(self, Self::Finite { .. })
    }

    pub(crate) fn negate(self) -> Self {
        match self {
            Self::NaN => Self::NaN,
            Self::Infinity { negative } => Self::Infinity { negative: !negative },
            Self::Finite { negative, coefficient, exponent } => {
                Self::Finite { negative: !negative, coefficient, exponent }
            }
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Self::NaN,
            (Self::Infinity { negative: l }, Self::Infinity { negative: r }) if l != r => Self::NaN,
            (infinity @ Self::Infinity { .. }, _) | (_, infinity @ Self::Infinity { .. }) => infinity,
            (
                Self::Finite { negative: ln, coefficient: lc, exponent: le },
                Self::Finite { negative: rn, coefficient: rc, exponent: re },
            ) => {
                let (big, small) =
                    if le >= re { ((ln, lc, le), (rn, rc, re)) } else { ((rn, rc, re), (ln, lc, le)) };
                add_aligned(big, small)
            }
        }
    }

    pub(crate) fn subtract(self, other: Self) -> Self {
        self.add(other.negate())
    }

    pub(crate) fn multiply(self, other: Self) -> Self {
        let negative = self.sign_bit() != other.sign_bit();
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Self::NaN,
            (
                Self::Finite { coefficient: l, exponent: le, .. },
                Self::Finite { coefficient: r, exponent: re, .. },
            ) => {
                let (high, low) = wide_multiply(l, r);
                round_wide(negative, high, low, le + re)
            }
            (l, r) if l.is_zero() || r.is_zero() => Self::NaN,
            _ => Self::Infinity { negative },
        }
    }

    pub(crate) fn divide(self, other: Self) -> Self {
        let negative = self.sign_bit() != other.sign_bit();
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) | (Self::Infinity { .. }, Self::Infinity { .. }) => Self::NaN,
            (Self::Infinity { .. }, _) => Self::Infinity { negative },
            (_, Self::Infinity { .. }) => Self::Finite { negative, coefficient: 0, exponent: EXP_MIN },
            (
                Self::Finite { coefficient: l, exponent: le, .. },
                Self::Finite { coefficient: r, exponent: re, .. },
            ) => match (l, r) {
                (0, 0) => Self::NaN,
                (_, 0) => Self::Infinity { negative },
                _ => divide_finite(negative, l, r, le - re),
            },
        }
    }

    /// The remainder of a division whose quotient is truncated.
    pub(crate) fn remainder(self, other: Self) -> Self {
        let (
            Self::Finite { negative, coefficient: l, exponent: le },
            Self::Finite { coefficient: r, exponent: re, .. },
        ) = (self, other)
        else {
            let keeps = self.is_finite() && matches!(other, Self::Infinity { .. });
            return if keeps { self } else { Self::NaN };
        };
        if r == 0 {
            return Self::NaN;
        }
        if le >= re {
            let rest = (0..le - re).fold(l % r, |rest, _| rest * 10 % r);
            return Self::Finite { negative, coefficient: rest, exponent: re };
        }
        let divisor = 10u128.checked_pow((re - le) as u32).and_then(|scale| r.checked_mul(scale));
        let rest = divisor.map_or(l, |divisor| l % divisor);
        Self::Finite { negative, coefficient: rest, exponent: le }
    }

    /// Rounded to `place` decimal places; negative places round to tens, hundreds and so on.
    pub(crate) fn round(self, place: i32, rounding: Rounding) -> Self {
        let Self::Finite { negative, coefficient, exponent } = self else { return self };
        let target = -place;
        if exponent >= target {
            return self;
        }
        let drop = (target - exponent) as u32;
        let (quotient, up) = match 10u128.checked_pow(drop).filter(|_| drop <= 35) {
            Some(scale) => {
                let (quotient, rest) = (coefficient / scale, coefficient % scale);
                let half_up = rest > scale / 2 || (rest == scale / 2 && quotient % 2 == 1);
                (quotient, (rest != 0, half_up))
            }
            None => (0, (coefficient != 0, false)),
        };
        let increment = match rounding {
            Rounding::HalfEven => up.1,
            Rounding::Truncate => false,
            Rounding::Floor => up.0 && negative,
            Rounding::Ceiling => up.0 && !negative,
        };
        finish(negative, quotient + u128::from(increment), target)
    }

    /// Rounded to `place` decimal places and written with that many; `None` if 34 digits are too few.
    pub(crate) fn quantize(self, place: i32, rounding: Rounding) -> Option<Self> {
        let Self::Finite { negative, coefficient, exponent } = self.round(place, rounding) else {
            return Some(self);
        };
        let padding = 10u128.checked_pow((exponent + place).max(0) as u32)?;
        let coefficient = coefficient.checked_mul(padding).filter(|coefficient| *coefficient < BASE)?;
        Some(Self::Finite { negative, coefficient, exponent: -place })
    }

    fn sign_bit(self) -> bool {
        self.is_negative()
    }
}

type Parts = (bool, u128, i32);

/// Adds where the first exponent is not below the second.
fn add_aligned((bn, bc, be): Parts, (sn, sc, se): Parts) -> Decimal {
    if bc == 0 || sc == 0 {
        return add_zero((bn, bc, be), (sn, sc, se));
    }
    let gap = (be - se) as u32;
    let (big, small, exponent) = if gap <= DIGITS {
        (wide_multiply(bc, 10u128.pow(gap)), (0, sc), se)
    } else {
        let room = DIGITS - digits(bc);
        let (big, exponent) = (bc * 10u128.pow(room), be - room as i32 - DIGITS as i32);
        let drop = exponent - se;
        // What is dropped may only break ties: one jammed digit keeps that.
        let small = match drop {
            ..=0 => wide_multiply(sc, 10u128.pow(drop.unsigned_abs())),
            1..=33 => (0, jam(sc / 10u128.pow(drop as u32), sc % 10u128.pow(drop as u32) != 0)),
            _ => (0, 1),
        };
        ((big, 0), small, exponent)
    };
    if bn == sn {
        let low = big.1 + small.1;
        return round_wide(bn, big.0 + small.0 + low / BASE, low % BASE, exponent);
    }
    match big.cmp(&small) {
        std::cmp::Ordering::Equal => Decimal::Finite { negative: false, coefficient: 0, exponent },
        std::cmp::Ordering::Greater => subtract_wide(bn, big, small, exponent),
        std::cmp::Ordering::Less => subtract_wide(sn, small, big, exponent),
    }
}

/// A sum with zero keeps the value but takes the lower exponent as far as digits allow.
fn add_zero((bn, bc, be): Parts, (sn, sc, se): Parts) -> Decimal {
    if bc == 0 {
        let negative = if sc == 0 { bn && sn } else { sn };
        return Decimal::Finite { negative, coefficient: sc, exponent: se };
    }
    let room = (DIGITS - digits(bc)).min((be - se) as u32);
    Decimal::Finite { negative: bn, coefficient: bc * 10u128.pow(room), exponent: be - room as i32 }
}

fn subtract_wide(negative: bool, large: (u128, u128), small: (u128, u128), exponent: i32) -> Decimal {
    let borrow = large.1 < small.1;
    let low = if borrow { large.1 + BASE - small.1 } else { large.1 - small.1 };
    round_wide(negative, large.0 - small.0 - u128::from(borrow), low, exponent)
}

fn jam(value: u128, sticky: bool) -> u128 {
    if sticky && value.is_multiple_of(5) { value + 1 } else { value }
}

fn digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

/// A product as `high * 10^34 + low`.
fn wide_multiply(left: u128, right: u128) -> (u128, u128) {
    const HALF: u128 = 10u128.pow(17);
    let (l1, l0, r1, r0) = (left / HALF, left % HALF, right / HALF, right % HALF);
    let middle = l1 * r0 + l0 * r1;
    let low = l0 * r0 + middle % HALF * HALF;
    (l1 * r1 + middle / HALF + low / BASE, low % BASE)
}

fn round_wide(negative: bool, high: u128, low: u128, exponent: i32) -> Decimal {
    if high == 0 {
        return finish(negative, low, exponent);
    }
    let drop = digits(high);
    let scale = 10u128.pow(drop);
    let (mut coefficient, rest) = (high * 10u128.pow(DIGITS - drop) + low / scale, low % scale);
    // Below the smallest exponent more digits go: a tie must then not be rounded twice.
    if exponent + (drop as i32) < EXP_MIN {
        return finish(negative, jam(coefficient, rest != 0), exponent + drop as i32);
    }
    if rest > scale / 2 || (rest == scale / 2 && coefficient % 2 == 1) {
        coefficient += 1;
    }
    finish(negative, coefficient, exponent + drop as i32)
}

fn divide_finite(negative: bool, left: u128, right: u128, ideal: i32) -> Decimal {
    let (mut quotient, mut rest, mut exponent) = (left / right, left % right, ideal);
    while rest != 0 && digits(quotient) <= DIGITS + 1 {
        quotient = quotient * 10 + rest * 10 / right;
        rest = rest * 10 % right;
        exponent -= 1;
    }
    finish(negative, jam(quotient, rest != 0), exponent)
}

/// Brings a coefficient of at most 37 digits and any exponent into range.
fn finish(negative: bool, mut coefficient: u128, mut exponent: i32) -> Decimal {
    if coefficient == 0 {
        return Decimal::Finite { negative, coefficient, exponent: exponent.clamp(EXP_MIN, EXP_MAX) };
    }
    let excess = digits(coefficient).saturating_sub(DIGITS) as i32;
    let drop = excess.max(EXP_MIN - exponent);
    if drop > 0 {
        if drop > 37 {
            return Decimal::Finite { negative, coefficient: 0, exponent: EXP_MIN };
        }
        let scale = 10u128.pow(drop as u32);
        let rest = coefficient % scale;
        coefficient /= scale;
        exponent += drop;
        if rest > scale / 2 || (rest == scale / 2 && coefficient % 2 == 1) {
            coefficient += 1;
        }
        if coefficient == BASE {
            coefficient /= 10;
            exponent += 1;
        }
    }
    if exponent > EXP_MAX {
        let pad = (exponent - EXP_MAX) as u32;
        if pad > DIGITS - digits(coefficient) {
            return Decimal::Infinity { negative };
        }
        coefficient *= 10u128.pow(pad);
        exponent = EXP_MAX;
    }
    Decimal::Finite { negative, coefficient, exponent }
}
