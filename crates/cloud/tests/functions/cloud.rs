//! `cloud.invoke`, `cloud.env` and what functions may do to the host's scripts.

use tandem_contract::{ErrorKind, Host, HostArgs, OpId, OpMode, Payload};

use crate::server::{Server, invocation};

#[tokio::test(flavor = "multi_thread")]
async fn functions_call_functions() {
    let server = Server::start().await;
    let got = server
        .body(
            "const bytes: any = await cloud.invoke('bytes');
            const response: any = await cloud.invoke('response');
            const empty: any = await cloud.invoke('empty');
            const stream: any = await cloud.invoke('stream');
            return [await cloud.invoke('echo', { a: [1] }), await cloud.invoke('echo'), await cloud.invoke('echo', null), await fails(() => cloud.invoke('throw')),
              bytes instanceof Uint8Array, [...bytes], response instanceof Response, response.status, response.headers.get('x-a'), await response.text(), empty.status, await stream.text(),
              await fails(() => cloud.invoke(1 as any)), await cloud.invoke('a\\0b')]",
        )
        .await;
    let expected = r#"[{"got":{"a":[1]}},{"got":"nothing"},{"got":null},["Error","FUNCTION_ERROR","no luck"],true,[1,2,3],true,201,"ü",["hi"],204,["hi"],["TypeError",null,"cloud.invoke takes the name of a function"],"called by a name with NUL"]"#;
    assert_eq!(got, expected.replace("[\"hi\"]", "\"hi\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_frozen_strings() {
    let server = Server::start().await;
    let got = server
        .run(
            "import cloud, { ObjectId } from '@tandem/cloud';
            export default (ctx: any) => [cloud.env.GREETING, Object.keys(cloud.env), Object.isFrozen(cloud.env), Object.isFrozen(cloud), ctx.cloud === cloud, new ObjectId() instanceof cloud.ObjectId, cloud.database() === cloud.database()]",
        )
        .await;
    assert_eq!(got, r#"["hello",["GREETING","__proto__"],true,true,true,true,true]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn tampering_does_not_reach_the_scripts() {
    let server = Server::start().await;
    let got = server
        .body(
            "const evil = () => { throw new Error('tampered') };
            const { stringify } = JSON; const map = new Map([['k', 1]]);
            (Object.prototype as any).toJSON = evil; (Array.prototype as any).toJSON = evil;
            JSON.stringify = evil as any; JSON.parse = evil as any; Object.keys = evil as any; Array.prototype.push = evil as any;
            Map.prototype.forEach = evil as any; (Array.prototype as any)[Symbol.iterator] = evil; RegExp.prototype.exec = evil as any;
            await c.insertMany([{ _id: 1, at: new Date(5), id: new cloud.ObjectId(), list: [1, { a: 1 }], map }] as any);
            const found: any = await c.find({ list: 1 }).toArray();
            delete (Object.prototype as any).toJSON; delete (Array.prototype as any).toJSON;
            return stringify([found[0].at.getTime(), found[0].list, found[0].map])",
        )
        .await;
    assert_eq!(got, r#""[5,[1,{\"a\":1}],{\"k\":1}]""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_binds_its_values() {
    let server = Server::start().await;
    let got = server.body("return await cloud.sql`SELECT ${'a\\'b'} AS text, ${2} AS number`").await;
    assert_eq!(got, r#"[{"text":"a'b","number":2}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls_are_refused_where_they_cannot_be_answered() {
    let server = Server::start().await;
    let host = &server.host;
    let id = |name: &str| -> OpId {
        let place = host.ops().iter().position(|op| op.name == name).expect("the operation exists");
        OpId::try_from(place).expect("the table is short")
    };
    let running = invocation("main", Payload::Empty, 0);
    let sync = |op| host.call_sync(&running, op, HostArgs::default()).map_err(|error| error.kind()).err();
    assert_eq!(sync(id("env.get")), None);
    assert_eq!(sync(id("documents.find")), Some(ErrorKind::Internal));
    assert_eq!(sync(OpId::MAX), Some(ErrorKind::Internal));
    let wrong_mode = host.call(&running, id("env.get"), HostArgs::default()).await;
    assert_eq!(wrong_mode.map_err(|error| error.kind()).err(), Some(ErrorKind::Internal));
    running.finish();
    for (op, spec) in host.ops().iter().enumerate() {
        let op = OpId::try_from(op).expect("the table is short");
        let refused = match spec.mode {
            OpMode::Sync => host.call_sync(&running, op, HostArgs::default()),
            OpMode::Async => host.call(&running, op, HostArgs::default()).await,
        };
        let error = refused.expect_err("the invocation is over");
        assert!(error.message().starts_with("The invocation is over: "), "{error}");
    }
    assert!(host.connect(&server.invoker).is_err(), "a host is connected once");
}
