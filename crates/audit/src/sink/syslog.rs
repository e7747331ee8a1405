//! Syslog messages (RFC 5424) as datagrams: to a socket of this machine, or over UDP (RFC 5426).
//!
//! A header of one line is all there is to it; the crates for it bring clocks, host names and blocking sockets of their
//! own. A datagram is not acknowledged: over UDP it can be lost unseen, and a collector notices by the positions.

use super::line::Line;
use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};
use tokio::net::{UdpSocket, UnixDatagram};

/// Facility 13 (log audit) and severity 5 (notice) or, for an entry that cannot be read, 2 (critical).
const NOTICE: u8 = 13 * 8 + 5;
const CRITICAL: u8 = 13 * 8 + 2;

/// Where syslog messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A datagram socket of this machine, such as `/dev/log`.
    Unix(PathBuf),
    /// An address and port, such as `10.0.0.5:514`.
    Udp(SocketAddr),
}

/// A path that begins with `/`, or `udp:` and an address with its port. Names are not looked up.
impl FromStr for SyslogAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("udp:") {
            Some(address) => {
                address.parse().map(Self::Udp).map_err(|_| "must be udp: with an address and a port")
            }
            None if text.starts_with('/') => Ok(Self::Unix(text.into())),
            None => Err("must be the path of a socket, like /dev/log, or udp: with an address and a port"),
        }
    }
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Udp(address) => write!(f, "udp:{address}"),
        }
    }
}

pub(super) enum Syslog {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Syslog {
    pub(super) async fn connect(address: &SyslogAddress) -> io::Result<Self> {
        match address {
            SyslogAddress::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Self::Unix(socket))
            }
            SyslogAddress::Udp(to) => {
                let any: SocketAddr = if to.is_ipv4() {
                    (Ipv4Addr::UNSPECIFIED, 0).into()
                } else {
                    (Ipv6Addr::UNSPECIFIED, 0).into()
                };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(to).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    pub(super) async fn send(&self, lines: Vec<Line>) -> io::Result<()> {
        for line in lines {
            let message = message(&line);
            match self {
                Self::Unix(socket) => socket.send(message.as_bytes()).await?,
                Self::Udp(socket) => socket.send(message.as_bytes()).await?,
            };
        }
        Ok(())
    }
}

/// Priority, version, time, host (left to the collector), application, process, kind of message, no structured data.
fn message(line: &Line) -> String {
    let priority = if line.at.is_some() { NOTICE } else { CRITICAL };
    // RFC 5424 has six digits of a second at most.
    let at = line.at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    format!("<{priority}>1 {at} - facemap-vault {} audit - {}", std::process::id(), line.text)
}
