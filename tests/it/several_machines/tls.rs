//! TLS with a certificate authority of one's own, and with certificates of clients.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::etcd_cluster::Cluster;
use crate::support::files::{answer, skipped, slothstate};

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "openssl {arguments:?}");
}

/// Makes an authority, and with it a certificate for each of these names.
fn certificates(folder: &Path, names: &[&str]) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca =
        ["req", "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(folder, &[&ca[..], &key].concat());
    std::fs::write(
        folder.join("names"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n",
    )
    .unwrap();
    for name in names {
        let (key_file, request, certificate) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let ask = ["req", "-new", "-subj", &subject, "-keyout", &key_file, "-out", &request];
        openssl(folder, &[&ask[..], &key].concat());
        openssl(
            folder,
            &[
                "x509",
                "-req",
                "-days",
                "2",
                "-in",
                &request,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-extfile",
                "names",
                "-out",
                &certificate,
            ],
        );
    }
}

#[test]
fn nodes_and_clients_prove_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    if Command::new("openssl").arg("version").output().is_err() {
        skipped("TLS", "openssl is not installed");
        return;
    }
    certificates(folder.path(), &["node", "client"]);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, node, node_key) = (file("ca.pem"), file("node.pem"), file("node.key"));
    let options =
        ["--cert-file", &node, "--key-file", &node_key, "--trusted-ca-file", &ca, "--client-cert-auth"];
    let Some(cluster) =
        Cluster::start_with_tls("TLS", &options, &ca, &file("client.pem"), &file("client.key"))
    else {
        return;
    };
    let host = cluster.client(0);
    let run = |address: &str, arguments: &[&str]| {
        let mut command = slothstate(folder.path());
        command.args(["--busy-timeout", "2s", "--db", address]).args(arguments);
        answer(command)
    };
    let (client, client_key) = (file("client.pem"), file("client.key"));
    let whole = format!("etcds://{host}/tls?ca={ca}&cert={client}&key={client_key}");
    assert_eq!(run(&whole, &["set", "k", "v"]).code, Some(0), "{:?}", run(&whole, &["set", "k", "v"]));
    assert_eq!(run(&whole, &["get", "k"]).done(), "v\n");
    for (address, why) in [
        (format!("etcds://{host}/tls?ca={ca}"), "no certificate of the client"),
        (format!("etcds://{host}/tls?cert={client}&key={client_key}"), "an authority nobody knows"),
        (format!("etcd://{host}/tls"), "no TLS"),
        (
            format!("etcds://{host}/tls?ca={}&cert={client}&key={client_key}", file("absent.pem")),
            "no such file",
        ),
        (
            format!("etcds://{host}/tls?ca={}&cert={client}&key={client_key}", file("names")),
            "no certificate in it",
        ),
    ] {
        let answer = run(&address, &["get", "k"]);
        assert!(matches!(answer.code, Some(2 | 3)), "{why}: {answer:?}");
        assert!(answer.out.is_empty() && !answer.err.contains("panicked"), "{why}: {answer:?}");
    }
}
