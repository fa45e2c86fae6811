//! Numbers and addresses as text, without the formatting machinery: several are written at each
//! call, and there the machinery costs more than the digits.

use std::fmt::Write;
use std::net::IpAddr;

/// Appends a number in decimal.
pub fn push_number(text: &mut String, number: u64) {
    if number < 1000 {
        return push_small(text, number);
    }
    let mut digits = [0; 20];
    let mut rest = number;
    let mut length = 0;
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    let written = digits.get(digits.len() - length..).unwrap_or_default();
    text.push_str(std::str::from_utf8(written).unwrap_or_default());
}

/// The commonest: a part of an address, a status, a few milliseconds.
fn push_small(text: &mut String, number: u64) {
    if number >= 100 {
        text.push(char::from(digit(number / 100)));
    }
    if number >= 10 {
        text.push(char::from(digit(number / 10)));
    }
    text.push(char::from(digit(number)));
}

/// Appends a number of thousandths as a decimal fraction, with as few digits as it takes, and one
/// at least.
pub fn push_thousandths(text: &mut String, number: u64) {
    push_number(text, number / 1000);
    text.push('.');
    text.push(char::from(digit(number / 100)));
    if !number.is_multiple_of(100) {
        text.push(char::from(digit(number / 10)));
    }
    if !number.is_multiple_of(10) {
        text.push(char::from(digit(number)));
    }
}

/// The last decimal digit.
const fn digit(number: u64) -> u8 {
    // Below 10, so that nothing is cut off.
    b'0' | (number % 10) as u8
}

/// Appends an address as its `Display` has it (RFC 5952 for IPv6).
pub fn push_address(text: &mut String, address: &IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            push_number(text, first.into());
            for octet in rest {
                text.push('.');
                push_number(text, octet.into());
            }
        }
        // Writing to a `String` cannot fail.
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_and_an_address_are_written_as_display_has_them(
            number: u64, shift in 0..64_u32, address: IpAddr
        ) {
            let mut text = String::from("as it was ");
            let expected = format!("{text}{} {address}", number >> shift);
            push_number(&mut text, number >> shift);
            text.push(' ');
            push_address(&mut text, &address);
            prop_assert_eq!(text, expected);
        }
    }

    #[test]
    fn the_smallest_and_the_largest_number_are_written() {
        for number in [0, 9, 10, u64::MAX] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn a_fraction_has_no_more_digits_than_it_takes() {
        for (number, expected) in
            [(0, "0.0"), (7, "0.007"), (70, "0.07"), (700, "0.7"), (1_010, "1.01"), (12_345_600, "12345.6")]
        {
            let mut text = String::new();
            push_thousandths(&mut text, number);
            assert_eq!(text, expected);
        }
    }
}
