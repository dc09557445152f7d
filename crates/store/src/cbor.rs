//! Bodies of rows: CBOR (RFC 8949) of the core's types.

/// Reads a body.
pub(crate) fn decode<T: for<'b> minicbor::Decode<'b, ()>>(body: &[u8]) -> Result<T, String> {
    minicbor::decode(body).map_err(|error| error.to_string())
}

/// Writes a body.
pub(crate) fn encode<T: minicbor::Encode<()>>(value: &T) -> Result<Vec<u8>, String> {
    minicbor::to_vec(value).map_err(|error| error.to_string())
}
