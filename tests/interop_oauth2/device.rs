//! A user who signs in elsewhere, by the robot's browser.

use http::StatusCode;
use valetkey::{DeviceLogin, ErrorKind, Reason, oauth2::client::ClientAuth};

use crate::{
    Server,
    browser::End,
    description::{Flow, Quirk, Robot},
};

impl Server {
    /// The user goes to the page that a device shows, and approves.
    async fn approve(&self, login: &DeviceLogin) {
        let complete = login.verification_uri_complete().unwrap_or_else(|| login.verification_uri());
        let status = match self.description.robot {
            Robot::Page => {
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let (uri, code) = (encode(login.verification_uri()), encode(login.user_code()));
                let robot = format!("{}/__robot?url={uri}&user_code={code}", self.base);
                self.get(&robot).await.status()
            }
            Robot::Redirect => self.get(complete).await.status(),
            Robot::Browser => {
                let mut answers = self.user("alice").form.clone();
                answers.insert("user_code".to_owned(), login.user_code().to_owned());
                match self.browse("", complete, &answers).await {
                    End::Page(status) => status,
                    End::Away(_) | End::Posted(_) => panic!("{self}: the browser was sent away"),
                }
            }
        };
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn s_dv_01_servers_sign_a_user_in_on_a_device() {
    for (server, client) in Server::each(Flow::Device) {
        let client = server.known(client).build().await.expect("discovery");
        let has_identity = !server.has(Quirk::DevicesHaveNoIdToken);
        let scopes = server.description.sign_in.scope.split(' ');
        let scopes: Vec<_> = scopes.filter(|&scope| has_identity || scope != "openid").collect();
        let mut request = client.device().scope(scopes.join(" "));
        for (name, value) in &server.description.sign_in.parameters {
            request = request.parameter(name, value);
        }
        let login = request.start().await.expect("a code");
        let page = login.verification_uri_complete().expect("a page");
        assert!(page.starts_with(login.verification_uri()) && page.contains(login.user_code()));
        server.approve(&login).await;
        let session = login.wait().await.expect("the user approved");
        assert_eq!(session.identity().is_some(), has_identity);
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        session.refresh().await.expect("a renewal");
        if let Some(identity) = session.identity() {
            let info = session.user_info().await.expect("claims");
            assert_eq!(info.claims().sub().as_deref(), Some(identity.subject()));
            assert!(server.user("alice").subject.as_ref().is_none_or(|known| known == identity.subject()));
        }

        // A client that has not this grant is told so.
        let again = server.client("basic").auth(ClientAuth::none()).build().await.expect("discovery");
        let error = again.device().start().await.expect_err("not this client's grant");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    }
}
