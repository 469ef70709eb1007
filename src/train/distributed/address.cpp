#include "train/distributed/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "core/error.h"

namespace nala::train {
namespace {

std::string text_of(const sockaddr* address) {
  std::string text(NI_MAXHOST, '\0');
  const socklen_t length =
      address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::getnameinfo(address, length, text.data(), NI_MAXHOST, nullptr, 0, NI_NUMERICHOST) != 0) {
    return {};
  }
  return text.substr(0, text.find('\0'));
}

bool is_loopback(const std::string& address) {
  return address.empty() || address.starts_with("127.") || address == "::1";
}

// A connected datagram socket sends nothing, and knows the address it would send from.
std::string address_towards(const addrinfo& target) {
  const int descriptor = ::socket(target.ai_family, SOCK_DGRAM, 0);
  sockaddr_storage own{};
  socklen_t length = sizeof(own);
  auto* const generic = reinterpret_cast<sockaddr*>(&own);
  const bool found = descriptor >= 0 &&
                     ::connect(descriptor, target.ai_addr, target.ai_addrlen) == 0 &&
                     ::getsockname(descriptor, generic, &length) == 0;
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  return found ? text_of(generic) : std::string();
}

std::string first_outside_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return {};
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_INET &&
        (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0) {
      return text_of(entry->ifa_addr);
    }
  }
  return {};
}

}  // namespace

std::string reachable_address(const Launch& launch) {
  if (launch.one_machine()) {
    return "127.0.0.1";
  }
  addrinfo* list = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  const int code =
      ::getaddrinfo(launch.address.c_str(), std::to_string(launch.port).c_str(), &hints, &list);
  if (code != 0) {
    throw Error(ErrorKind::usage, "MASTER_ADDR: the machine of rank 0, '" + launch.address +
                                      "', cannot be found: " + ::gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::string address;
  for (const addrinfo* entry = list; entry != nullptr && is_loopback(address);
       entry = entry->ai_next) {
    address = address_towards(*entry);
  }
  if (is_loopback(address)) {
    address = first_outside_address();
  }
  if (address.empty()) {
    throw Error(ErrorKind::usage,
                "this machine has no network address that other machines could reach; name the "
                "interface in GLOO_SOCKET_IFNAME");
  }
  return address;
}

}  // namespace nala::train
