// A video on its way to the server.

export function upload(session, file, progress) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest(); // fetch does not say how far it is
    request.open("POST", `sessions/${session}/upload`);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onload = () => (request.status === 200 ? done() : fail(new Error(request.responseText.trim())));
    request.onerror = () => fail(new Error("The upload broke off: try again."));
    request.send(file);
  });
}
