{{/* Envoy's configuration: every pod by its own address, weighted by the load that it reports. */}}
{{- define "genai-xapp.envoy" -}}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
static_resources:
  listeners:
    - name: grpc
      address: {socket_address: {address: 0.0.0.0, port_value: 50051}}
      per_connection_buffer_limit_bytes: 1048576
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: grpc
                codec_type: HTTP2
                http2_protocol_options: {max_concurrent_streams: 256}
                # A stream may wait for its slot in silence; the call's own deadline ends it.
                stream_idle_timeout: 0s
                route_config:
                  virtual_hosts:
                    - name: nodes
                      domains: ["*"]
                      routes:
                        - match: {prefix: /}
                          route:
                            cluster: nodes
                            timeout: 0s
                            max_stream_duration: {grpc_timeout_header_max: 0s}
                            retry_policy:
                              retry_on: connect-failure,refused-stream,unavailable,resource-exhausted
                              num_retries: 1
                              retry_host_predicate:
                                - name: envoy.retry_host_predicates.previous_hosts
                                  typed_config:
                                    "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
                              host_selection_retry_max_attempts: 3
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: nodes
      type: STRICT_DNS
      dns_refresh_rate: 1s
      connect_timeout: 1s
      load_assignment:
        cluster_name: nodes
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: {{ include "genai-xapp.service" . }}-grpc-pods
                      port_value: 50051
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http2_protocol_options:
              connection_keepalive: {interval: 1s, timeout: 1.5s}
      health_checks:
        - timeout: 1s
          interval: 1s
          # Else a cluster that nobody has called yet is asked once a minute.
          no_traffic_interval: 1s
          unhealthy_threshold: 1
          healthy_threshold: 1
          grpc_health_check: {service_name: xapp.inference.v1.InferenceService}
      # A pod that is not SERVING gets no calls; with none that is, callers are told so at once.
      common_lb_config: {healthy_panic_threshold: {value: 0}}
      load_balancing_policy:
        policies:
          - typed_extension_config:
              name: envoy.load_balancing_policies.client_side_weighted_round_robin
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin
                blackout_period: 1s
                weight_update_period: 1s
                weight_expiration_period: 60s
{{- end }}

{{/* What selects Envoy's pods, none of the nodes'. */}}
{{- define "genai-xapp.envoySelector" -}}
app: {{ include "genai-xapp.fullname" . }}-envoy
release: {{ .Release.Name }}
{{- end }}

{{/* Who may call gRPC, as NetworkPolicyPeers. */}}
{{- define "genai-xapp.callers" -}}
{{- with .Values.networkPolicy.callers }}{{ toYaml . }}{{ else }}
- podSelector: {}
{{- end }}
{{- end }}
