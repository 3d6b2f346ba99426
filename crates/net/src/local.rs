//! Sockets that never leave this machine: the control socket, and the word to the service manager.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
};

use tokio::net::{UnixListener, UnixStream};

/// Listens on a socket file that only its owner may use.
///
/// A file that a dead server left behind is replaced; the caller has made sure, by a lock of its own, that
/// no other server is alive. The socket's folder must be closed to others, for the file is briefly open between bind and chmod.
pub fn bind_local(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a socket file.
pub async fn connect_local(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Tells the service manager that started us something, as in `READY=1`; see sd_notify(3). `socket` is what it
/// gave in `NOTIFY_SOCKET`.
pub fn notify_service_manager(socket: &str, state: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    // A leading @ stands for Linux's abstract names.
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return datagram.send_to_addr(state.as_bytes(), &address).map(drop);
    }
    datagram.send_to(state.as_bytes(), socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(bind_local(&path).unwrap());
        assert!(connect_local(&path).await.is_err());
        let _listener = bind_local(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        connect_local(&path).await.unwrap();
    }

    #[test]
    fn the_service_manager_hears_that_we_are_ready() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        notify_service_manager(path.to_str().unwrap(), "READY=1").unwrap();
        let mut buffer = [0; 32];
        let count = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"READY=1");
    }
}
