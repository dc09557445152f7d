//! The parts of a database URL that this crate reads and changes.

/// The name of the database.
pub(crate) fn database(url: &str) -> &str {
    let (_, path) = split(url);
    path.split('?').next().filter(|name| !name.is_empty()).expect("a URL with the name of a database")
}

/// The same database, reached through another loopback port.
pub(crate) fn through(url: &str, port: u16) -> String {
    let (front, path) = split(url);
    let user = front.rfind(['@', '/']).expect("a URL has slashes");
    format!("{}127.0.0.1:{port}/{path}", &front[..=user])
}

/// The same database with other credentials.
pub(crate) fn with_credentials(url: &str, role: &str, password: &str) -> String {
    let (front, path) = split(url);
    let (scheme, authority) = front.split_once("://").expect("a URL with a scheme");
    let host = authority.rsplit('@').next().unwrap_or_default();
    let password: String = password.bytes().map(escape).collect();
    format!("{scheme}://{role}:{password}@{host}/{path}")
}

/// Scheme and authority, and what stands behind the slash.
fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").expect("a URL with a scheme") + 3;
    let slash = url[authority..].find('/').expect("a URL with the name of a database") + authority;
    (&url[..slash], &url[slash + 1..])
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_path() {
        assert_eq!(database("postgres://postgres@127.0.0.1:5432/test_1"), "test_1");
        assert_eq!(database("postgres://a:b@localhost/test_2?sslmode=require"), "test_2");
    }

    #[test]
    fn only_host_and_port_change_on_another_way_to_the_database() {
        assert_eq!(through("postgres://me:pw@db:5432/x?a=b", 7), "postgres://me:pw@127.0.0.1:7/x?a=b");
        assert_eq!(through("postgres://db/x", 7), "postgres://127.0.0.1:7/x");
    }

    #[test]
    fn a_password_may_contain_anything() {
        let url = with_credentials("postgres://postgres@127.0.0.1:5432/x", "owner", "a/b@c:%");
        assert_eq!(url, "postgres://owner:a%2Fb%40c%3A%25@127.0.0.1:5432/x");
    }
}
