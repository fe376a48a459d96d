"""Following targets while the frames come in: targets that come and go, the window, and the page in the browser."""
