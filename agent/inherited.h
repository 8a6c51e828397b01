#pragma once

/* The listening socket that systemd hands to a service that it activates (sd_listen_fds(3)). */

/*
 * Takes it over. Returns 1, the socket and the path of its file (caller closes
 * and frees); 0 if there is none; -EINVAL if what there is is not one listening
 * stream socket with a file, which is logged; or another negative errno. Our
 * environment tells nobody of it afterwards.
 */
int inherited_take(int *ret_socket, char **ret_path);
